"""What a benchmark found, as ``docs/results/NAME.json``: rows, and how to print them again.

Counts, which are the same on every machine, and speeds, which are not, are tables apart. A share is
written as its count, ``{"count": 3, "of": 300}``, and shown with its exact interval. A row that was
measured on something that has changed since says so, ``"stale": "why"``; it is shown, with that
word, until somebody runs the command again. `benchmarks/render.py` fills the documents.
"""

import argparse
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs" / "results"
FORMAT, VERSION = "qrobust.results", 1
STALE = "stale"

_PACKAGES = (
    "qrobust",
    "keras",
    "tensorflow",
    "qkeras-v3",
    "ai-edge-litert",
    "tflite-micro",
    "numpy",
    "adversarial-robustness-toolbox",
)


@dataclass(frozen=True)
class Results:
    """One benchmark's numbers and where they come from.

    Attributes:
        name: of the file and of the marked block.
        command: that prints them.
        commit: of the project when they were measured.
        date: ISO.
        versions: package -> version.
        cpu: model name and cores that the process may use.
        load: load averages (1, 5, 15 minutes) at the start; None where unknown.
        seed: of everything random; None where nothing is.
        models: path in the project -> SHA-256 of the file that was measured.
        data: what it was measured on -> SHA-256 of it.
        counts: rows that do not depend on the machine: column -> value.
        speeds: rows that do.
        text: what was printed, word for word, where that is shown.
        stale: why all rows are out of date; "" where they are not.
        images: of rows that are compared on the same images: row -> column -> one bit an image.
        earlier: of rows that stay from before: row -> commit, date and processor.
    """

    name: str
    command: str
    commit: str
    date: str
    versions: Mapping[str, str]
    cpu: str
    load: Sequence[float] | None
    seed: int | None
    models: Mapping[str, str]
    data: Mapping[str, str]
    counts: Sequence[Mapping[str, Any]] = ()
    speeds: Sequence[Mapping[str, Any]] = ()
    text: str = ""
    stale: str = ""
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    earlier: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        found = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return {k: v for k, v in found.items() if v or k not in ("images", "earlier")}

    def origin(self, row: str) -> str:
        """Where a row comes from: commit, date and processor."""
        return self.earlier.get(row) or f"commit {self.commit}, {self.date}, {self.cpu}"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Results":
        """Read what `to_json` wrote; `ValueError` where it is another format or version."""
        if (value.get("format"), value.get("version")) != (FORMAT, VERSION):
            raise ValueError(f"these are no results of version {VERSION}")
        rest = {key: item for key, item in value.items() if key not in ("format", "version")}
        return cls(**rest)

    def changed_models(self, root: Path = PROJECT) -> list[str]:
        """Measured models that are not the shipped files any more, unless the rows say so."""
        if self.stale:
            return []
        return [p for p, digest in self.models.items() if file_sha256(root / p) != digest]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every benchmark takes: ``--record``, ``--tiny``."""
    parser.add_argument(
        "--record",
        metavar="NAME",
        help="write the numbers to docs/results/NAME.json (then: python benchmarks/render.py)",
    )
    parser.add_argument(
        "--tiny", action="store_true", help="the smallest run that passes everything, as in tests"
    )


def record(
    name: str | None,
    *,
    counts: Sequence[Mapping[str, Any]] = (),
    speeds: Sequence[Mapping[str, Any]] = (),
    models: Sequence[Path] = (),
    hashes: Mapping[str, str] | None = None,
    data: Mapping[str, Any] | None = None,
    seed: int | None = None,
    text: str = "",
    images: Mapping[str, Mapping[str, str]] | None = None,
    earlier: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Path | None:
    """Write ``NAME.json`` with rows and provenance; nothing where no name was given.

    Args:
        name: of the results; from ``--record``.
        counts: rows that do not depend on the machine.
        speeds: rows that do.
        models: files that were measured; those of the project are watched for changes.
        hashes: path in the project -> SHA-256 of a file that was made anew and should be that one.
        data: what it was measured on -> arrays or bytes, of which the digest is kept.
        seed: of everything random.
        text: what was printed, where that is shown.
        images: outcomes of the rows, image by image; see `Results`.
        earlier: where rows come from that stay from before; see `Results`.
        folder: for the file; docs/results by default.
    """
    if name is None:
        return None
    results = Results(
        name=name,
        command=_command(),
        commit=commit(),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        versions=_versions(),
        cpu=_cpu(),
        load=[round(value, 1) for value in os.getloadavg()],
        seed=seed,
        models={_inside(path): file_sha256(path) for path in models} | dict(hashes or {}),
        data={name: _digest(value) for name, value in (data or {}).items()},
        counts=counts,
        speeds=speeds,
        text=text,
        images=images or {},
        earlier=earlier or {},
    )
    return write(results, folder or FOLDER)


def write(results: Results, folder: Path = FOLDER) -> Path:
    """Write the file of some results."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{results.name}.json"
    path.write_text(json.dumps(results.to_json(), indent=1, default=_plain) + "\n")
    return path


def read(name: str, folder: Path = FOLDER) -> Results:
    """Read the results of a name.

    Raises:
        ValueError: there are none, or they are of another version.
    """
    path = folder / f"{name}.json"
    try:
        return Results.from_json(json.loads(path.read_text()))
    except OSError:
        raise ValueError(f"no results '{name}': {path.name} is not in {folder.name}/") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path.name}: {error}") from None


def names(folder: Path = FOLDER) -> list[str]:
    """Names of the results in a folder; JSON of other formats is left to whoever wrote it."""
    found = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        if isinstance(content, dict) and content.get("format") == FORMAT:
            found.append(path.stem)
    return found


def share(count: int, of: int) -> dict[str, int]:
    """A share as a cell: its count, from which the interval follows."""
    return {"count": int(count), "of": int(of)}


def recipe_of(folder: Path) -> Path:
    """A model's recipe: its folder's own, or the file beside the folder that has its name."""
    own = folder / "recipe.toml"
    return own if own.is_file() else folder.with_suffix(".toml")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file; "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def text_sha256(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(value: Any) -> str:
    content = value if isinstance(value, bytes) else value.tobytes()
    return hashlib.sha256(content).hexdigest()


def _plain(value: Any) -> Any:
    """NumPy's numbers, as JSON has them."""
    return value.item()


def _inside(path: Path) -> str:
    """A path as the project names it; a file from elsewhere goes by its name alone."""
    path = Path(path).resolve()
    return path.relative_to(PROJECT).as_posix() if path.is_relative_to(PROJECT) else path.name


def _command() -> str:
    """The command line, with paths outside the project named by their last part."""
    words = [f"benchmarks/{Path(sys.argv[0]).name}"]
    for word in sys.argv[1:]:
        path = Path(word.rpartition("=")[2])
        if path.is_absolute():
            word = word.replace(str(path), _inside(path))
        words.append(word)
    return f"python {shlex.join(words)}"


def commit() -> str:
    """The project's commit, and whether the packages differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "qrobust", "tflite_export")
    return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"
