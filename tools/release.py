"""Build a release and check all that can be checked: ``python tools/release.py --out dist``.

One line for each check, exit status 1 when one fails; the recipe around it is docs/releasing.md.
Needs ``pip install build twine`` and, for the trial install, a package index. ``--dry-run`` allows
a version that CHANGELOG.md still calls unreleased, and a tree with changes, of which it builds
nothing: the commit is built.
"""

import argparse
import configparser
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

from build import ROOT, build

PACKAGES = ("qrobust", "tflite_export")
#: Files that neither artefact may lack.
IN_SDIST = ("CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "docs/releasing.md")
IN_SDIST += ("models/README.md", "tests/conftest.py", "tools/build.py", "setup.py")
IN_WHEEL = ("qrobust/py.typed", "tflite_export/py.typed", "qrobust/models/digits/model.tflite")
IN_WHEEL += ("qrobust/models/digits/recipe.toml", "qrobust/models/README.md")
_TRIAL = (
    ("qrobust", "--version"),
    ("qrobust", "models"),
    ("qrobust", "models", "digits", "digits"),
    ("python", "-c", "import numpy as n; n.savez('d', x=n.zeros((2, 8, 8, 1), n.uint8))"),
    (
        *("qrobust", "certify", "digits/model.tflite", "d.npz", "--out", "c.jsonl"),
        *("--n", "500", "--quiet", "--allow-constant"),
    ),
    ("qrobust", "audit", "c.jsonl", "digits/model.tflite", "d.npz", "--quiet"),
)


def version(root: Path = ROOT) -> str:
    """The version, from the only place that has it."""
    found = re.search(r'^__version__ = "([^"]+)"$', (root / "qrobust/version.py").read_text(), re.M)
    if found is None:
        raise ValueError("qrobust/version.py has no line __version__ = ...")
    return found[1]


def version_problems(root: Path, *, dry: bool) -> Iterator[str]:
    """What speaks against the version: its form, a second place, the changelog."""
    number = version(root)
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", number):
        yield f"'{number}' is no version such as 1.2.3 or 1.2.3rc1"
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    if config["metadata"]["version"] != "attr: qrobust.version.__version__":
        yield "setup.cfg names a version of its own"
    head = re.search(r"^## (\S+)(?: \((.*)\))?$", (root / "CHANGELOG.md").read_text(), re.M)
    if head is None or head[1] != number:
        yield f"the first section of CHANGELOG.md is {head and head[1]}, the version {number}"
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", head[2] or "") and not dry:
        yield f"CHANGELOG.md says '{head[2]}' of {number}; write its date, YYYY-MM-DD"


def tree_problems(root: Path, number: str) -> Iterator[str]:
    """Changes that no commit has, and a tag that is there already."""
    if _git(root, "status", "--porcelain"):
        yield "the working tree has changes; a release is built of a commit"
    if _git(root, "tag", "--list", f"v{number}"):
        yield f"there is a tag v{number} already"


def content_problems(root: Path, files: list[Path], number: str) -> Iterator[str]:
    """What the wheel and the sdist lack, or have of another version."""
    for path in files:
        if f"-{number}" not in path.name:
            yield f"{path.name} is not of version {number}"
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                names = set(wheel.namelist())
            sources = [p for package in PACKAGES for p in (root / package).rglob("*.[pch]*")]
            wanted = {p.relative_to(root).as_posix() for p in sources if p.suffix != ".pyc"}
            tests = {name for name in names if name.startswith(("tests/", "benchmarks/"))}
            yield from (f"{path.name} has {name}" for name in sorted(tests))
            lacking = (wanted | set(IN_WHEEL)) - names
        else:
            with tarfile.open(path) as sdist:
                names = {name.partition("/")[2] for name in sdist.getnames()}
            tracked = _git(root, "ls-files", "docs", "tests", "models", *PACKAGES).splitlines()
            lacking = (set(tracked) | set(IN_SDIST)) - names
        yield from (f"{path.name} lacks {name}" for name in sorted(lacking))


def trial_problems(wheel: Path) -> Iterator[str]:
    """What fails in a new environment, in an empty folder."""
    with tempfile.TemporaryDirectory() as made:
        place, empty = Path(made, "venv"), Path(made, "empty")
        empty.mkdir()
        venv.create(place, with_pip=True)
        install = ("python", "-m", "pip", "install", "--quiet", str(wheel))
        for words in (install, *_TRIAL):
            command = [place / "bin" / words[0], *words[1:]]
            environment = {"PATH": "/usr/bin:/bin", "HOME": made}
            if words is install:
                environment = None  # pip's settings are the user's
            done = subprocess.run(
                command, cwd=empty, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                yield f"{' '.join(words)}: {done.stderr.strip()[-300:]}"
                return


def checks(root: Path, out: Path, *, dry: bool) -> Iterator[tuple[str, list[str]]]:
    """Name and problems of each check, in turn; stops where the next makes no sense."""
    number = version(root)
    yield "one version, in the changelog", list(version_problems(root, dry=dry))
    yield "a clean tree, a new tag", [] if dry else list(tree_problems(root, number))
    files = build("HEAD", out)
    yield "wheel and sdist built", [] if len(files) == 2 else [f"built {files}"]
    with tempfile.TemporaryDirectory() as again:
        same = [p.read_bytes() for p in build("HEAD", Path(again))]
    differ = [p.name for p, data in zip(files, same, strict=True) if p.read_bytes() != data]
    yield "the same bytes again", [f"{name} differs" for name in differ]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    yield "twine check", [done.stdout[-500:] + done.stderr[-500:]] if done.returncode else []
    yield "contents", list(content_problems(root, files, number))
    (wheel,) = (path for path in files if path.suffix == ".whl")
    yield "installed and run from an empty folder", list(trial_problems(wheel))


def main() -> int:
    """Run every check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="for wheel and sdist")
    parser.add_argument("--dry-run", action="store_true", help="before the release is written down")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for name, problems in checks(ROOT, args.out, dry=args.dry_run):
        print(f"{'FAILED' if problems else 'ok':<7} {name}", flush=True)
        for problem in problems:
            print(f"        {problem}", flush=True)
        failed |= bool(problems)
    print("not ready" if failed else f"ready: {version()} in {args.out}" + " (dry)" * args.dry_run)
    return int(failed)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
