"""Build wheel and sdist of a commit, the same bytes every time: ``python tools/build.py``.

The commit is exported to an empty folder, so that nothing left over from other builds gets in,
and its date becomes SOURCE_DATE_EPOCH. A wheel follows that; an sdist keeps times, order and owners
of the files it was made of, and is therefore packed again. Needs ``pip install build``.
"""

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Build into a folder and print the hashes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for path in build(options.commit, options.out):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
    return 0


def build(commit: str, out: Path) -> list[Path]:
    """Wheel and sdist of a commit."""
    epoch = int(_git("show", "--no-patch", "--format=%ct", commit))
    with tempfile.TemporaryDirectory() as folder:
        source, built = Path(folder) / "source", Path(folder) / "built"
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as archive:
            archive.extractall(source, filter="data")
        # The wheel is made of the sdist, so that what is packed is what was built.
        subprocess.run(
            [sys.executable, "-m", "build", "--outdir", str(built), str(source)],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        written = []
        for path in sorted(built.iterdir()):
            data = path.read_bytes()
            if path.name.endswith(".tar.gz"):
                data = repacked(data, epoch)
            written.append(out / path.name)
            written[-1].write_bytes(data)
    return written


def repacked(data: bytes, epoch: int) -> bytes:
    """A ``.tar.gz`` with the same files in order of their names, all of one date and no owner."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as source:
        members = sorted(source.getmembers(), key=lambda member: member.name)
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target:
            for member in members:
                member.mtime, member.uid, member.gid = epoch, 0, 0
                member.uname = member.gname = ""
                member.pax_headers = {}
                member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                target.addfile(member, source.extractfile(member) if member.isfile() else None)
    return gzip.compress(packed.getvalue(), mtime=epoch)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
