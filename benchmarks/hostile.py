"""Files that ended or stalled interpreters once, through every command that opens one.

    python benchmarks/hostile.py [FOLDER ...] [--commands NAME ...] [--record hostile] [--tiny]

Files are those of tests/fuzz/corpus (networks, and texts of smoothing specs in a good network) and
all ``.tflite`` of the folders given. A command has to refuse with exit status 2 and one line on
standard error; it may run a file only where that meets the integer contract and its spec can be
read, as four that crash elsewhere do. CPU seconds are of the command's process, beyond those of its
own ``--help``; memory likewise its own, the largest. Exit status 1 where anything is in the column
"wrong". Files of another model are refused by parity only after Keras was loaded, in seconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import results
from tabulate import tabulate
from tqdm import tqdm

from qrobust.certify import CertifyError, read_spec
from qrobust.certify.file.metadata import write_metadata
from qrobust.certify.file.smoothing_spec import METADATA_NAME
from tflite_export.contract import contract_problem

DIGITS = Path(__file__).parents[1] / "models" / "digits"
CORPUS = Path(__file__).parents[1] / "tests" / "fuzz" / "corpus"
COMMANDS = ("inspect", "certify", "verify", "parity")


@dataclass(frozen=True)
class Ended:
    """How a command ended: status, lines of standard error, CPU seconds, MB."""

    status: int
    errors: list[str]
    seconds: float
    megabytes: int

    @property
    def refused(self) -> bool:
        """Whether it said so as it should."""
        return self.status == 2 and len(self.errors) == 1 and self.errors[0].startswith("error: ")


def main() -> int:
    args = arguments()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        x = np.random.default_rng(0).integers(0, 17, (2, 8, 8, 1)).astype(np.uint8)
        np.savez(folder / "d.npz", x=x, y=[0, 1])
        files = specs(folder) + sorted((CORPUS / "file").iterdir())
        for given in args.folders:
            files += sorted(given.rglob("*.tflite"))
        files = files[:: len(files) // 2] if args.tiny else files
        rows = [row(name, files, folder) for name in args.commands]
    print(tabulate(rows, headers="keys", tablefmt="github"))
    counts = [
        {key: one[key] for key in ("command", "files", "refused", "run", "wrong")} for one in rows
    ]
    speeds = [{"command": one["command"], "CPU s": one["CPU s"], "MB": one["MB"]} for one in rows]
    results.record(args.record, counts=counts, speeds=speeds, models=[DIGITS / "model.tflite"])
    return int(any(one["wrong"] for one in rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hostile files through every command.")
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="of more .tflite")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=COMMANDS)
    results.add_arguments(parser)
    return parser.parse_args()


def specs(folder: Path) -> list[Path]:
    """The corpus's texts of smoothing specs, each in a good network."""
    found = []
    for text in sorted((CORPUS / "spec").iterdir()):
        path = folder / f"spec_{text.stem}.tflite"
        good = (DIGITS / "model.tflite").read_bytes()
        path.write_bytes(write_metadata(good, METADATA_NAME, text.read_bytes()))
        found.append(path)
    return found


def row(name: str, files: list[Path], folder: Path) -> dict[str, object]:
    """What one command did with all files."""
    least = ended(name, ["--help"])
    found: Counter[str] = Counter()
    seconds, megabytes = 0.0, 0
    for path in tqdm(files, desc=name, unit="file"):
        end = ended(name, words(name, path, folder))
        if end.refused:
            found["refused"] += 1
            seconds = max(seconds, end.seconds - least.seconds)
            megabytes = max(megabytes, end.megabytes)
        elif end.status in (0, 1) and sound(path):
            found["run"] += 1
        else:
            found["wrong"] += 1
            tqdm.write(f"{name} {path.name}: status {end.status}, {end.errors}", sys.stderr)
    return {
        "command": name,
        "files": len(files),
        **{key: found[key] for key in ("refused", "run", "wrong")},
        "CPU s": round(seconds, 2),
        "MB": megabytes,
    }


def words(name: str, path: Path, folder: Path) -> list[str]:
    out = folder / "out.jsonl"
    out.unlink(missing_ok=True)
    rest = {
        "inspect": [path],
        "parity": [DIGITS / "model.keras", path, "--inputs", 2],
        "certify": [path, folder / "d.npz", "--out", out, "--n", 100, "--limit", 1],
        "verify": [path, folder / "d.npz", "--out", out, "--norm", "linf", "--radius", 1],
    }[name]
    return [str(word) for word in rest]


def ended(name: str, rest: list[str]) -> Ended:
    command = [sys.executable, "-m", "qrobust", name, *rest]
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": path},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = errors.read().splitlines()
    seconds = used.ru_utime + used.ru_stime
    return Ended(process.returncode, lines, seconds, used.ru_maxrss // 1024)


def sound(path: Path) -> bool:
    """Whether a file meets the integer contract and has a spec that can be read."""
    try:
        read_spec(path.read_bytes())
    except CertifyError:
        return False
    return not contract_problem(path.read_bytes())


if __name__ == "__main__":
    raise SystemExit(main())
