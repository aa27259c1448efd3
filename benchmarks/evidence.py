"""The matched grid: what noise, consistency and the per-layer Jacobian give, by bit width.

    python benchmarks/evidence.py --data DIR --state DIR
        [--only CELL ...] [--list] [--table] [--grid FILE] [--record evidence] [--tiny]

`benchmarks/evidence.toml` was written first and fixes cells, splits (with their hashes), epochs and
weights. Cell after cell is trained, exported and judged on images that chose nothing: clean and
calibration, the worst case over attacks, certificates at two radii, corruptions. Whatever is done
is kept under `--state` and not done again: a training goes on from its last epoch, certificates
from the last image, and one process works on a folder at a time. A part whose method has changed
since (its `VERSION`) is judged again.

``--list`` says what is there; ``--table`` prints rows and paired differences with exact intervals
(95 %, over images: one seed is one network) of what is there. ``--record NAME`` writes them down,
image by image, as NAME and NAME_differences; cells that were recorded before and are not in the
folder, or not among those of ``--only``, stay, and those of the folder are compared with them.
``--only`` takes names of cells, or shell patterns of them.
"""

import argparse
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import results
from grid import attacked, certified, clean, corrupted
from grid.cells import Cell, read_cells
from grid.images import judged
from grid.recorded import tables
from grid.subject import Subject
from grid.table import Found
from grid.trained import FILE, MODEL, trained
from tabulate import tabulate

from tflite_export.atomic import write_text

HERE = Path(__file__).parent
#: What is judged, the quick parts first: name -> (how, version).
PARTS: dict[str, tuple[Callable[[Subject], dict[str, Any]], str]] = {
    "clean": (clean.clean, clean.VERSION),
    "corrupted": (corrupted.corrupted, corrupted.VERSION),
    "certified": (certified.certified, certified.VERSION),
    "attacked": (attacked.attacked, attacked.VERSION),
}


def main() -> int:
    args = arguments()
    grid = args.grid or HERE / ("evidence_tiny.toml" if args.tiny else "evidence.toml")
    every = read_cells(grid)
    cells = [cell for cell in every if wanted(cell, args.only)]
    if not cells:
        raise SystemExit(f"--only names no cell of {grid.name}: see --list")
    if args.list:
        print(tabulate([state_of(cell, args.state) for cell in cells], headers="keys"))
        return 0
    recorded_before(args.record, grid)  # refused now, not after the work
    if not args.table:
        with alone(args.state):
            for cell in cells:
                run(cell, args.state, args.data)
    report(every, {cell.name: at_hand(cell, args.state) for cell in cells}, args.record, grid)
    return 0


def run(cell: Cell, state: Path, data: str | None) -> None:
    """Train and judge one cell as far as that is not done."""
    folder = state / cell.name
    if not missing(cell, folder):
        return
    say(cell, "begins")
    part = dataset(cell, data).test
    model = trained(cell, folder, data)
    tflite = None if cell.is_float else (folder / FILE).read_bytes()
    subject = Subject(cell, model, tflite, part.x, part.y, folder)
    for name in missing(cell, folder):
        judge, version = PARTS[name]
        started = time.process_time()
        found = judge(subject)
        seconds = round(time.process_time() - started)
        kept = {"version": version, "model": digest(folder / MODEL), "CPU seconds": seconds}
        write_text(folder / f"{name}.json", json.dumps(kept | found) + "\n")
        say(cell, f"{name}: done")
    keras.backend.clear_session()


def missing(cell: Cell, folder: Path) -> list[str]:
    """Parts that were not judged, or on another model, or by another method."""
    model = digest(folder / MODEL)
    return [
        name
        for name, (_, version) in PARTS.items()
        if (kept := read(folder, name)).get("version") != version or kept.get("model") != model
    ]


def dataset(cell: Cell, data: str | None) -> Any:
    """The cell's data, whose test part must be the one that the file fixes."""
    words = tuple(cell.settings.get("words", ()))
    loaded = judged(cell.data, data, cell.grid["images"], words)
    found = split_hash(loaded)
    if found != cell.settings["sha256"]:
        raise SystemExit(
            f"the images of {cell.data} are not those of the grid's file: sha256 {found}, not "
            f"{cell.settings['sha256'] or 'given'}"
        )
    return loaded


def split_hash(loaded: Any) -> str:
    """SHA-256 of the images that are judged, their labels, and how many are trained on."""
    test = loaded.test
    content = test.x.tobytes() + test.y.tobytes() + str(len(loaded.train)).encode()
    return hashlib.sha256(content).hexdigest()


def at_hand(cell: Cell, state: Path) -> dict[str, Any]:
    """The parts that are judged, by today's methods; of the folder's network, where it is there."""
    folder, left = state / cell.name, missing(cell, state / cell.name)
    if not (folder / MODEL).exists():
        left = [name for name in left if read(folder, name).get("version") != PARTS[name][1]]
    return {name: read(folder, name) for name in PARTS if name not in left}


def report(every: list[Cell], here: dict[str, Found], name: str | None, grid: Path) -> None:
    """Print what is there, and write it down where asked to, beside what was recorded before."""
    before = recorded_before(name, grid)
    found = tables(every, here, before)
    for rows in (found.rows, found.differences):
        print(tabulate([shown(line) for line in rows], headers="keys", tablefmt="github"), "\n")
    print(versions())
    earlier = {row: before[0].origin(row) for row in found.kept} if before else {}
    for row, origin in earlier.items():
        print(f"as recorded before, {origin}: {row}")
    fixed: dict[str, Any] = {"data": {grid.name: grid.read_bytes()}, "seed": 0, "text": versions()}
    results.record(name, counts=found.rows, images=found.images, earlier=earlier, **fixed)
    # Also where there are none: those of before do not hold any more.
    if found.differences or beside(name) in results.names(results.FOLDER):
        results.record(name and beside(name), counts=found.differences, **fixed)


def recorded_before(name: str | None, grid: Path) -> tuple[results.Results, results.Results] | None:
    """Rows and differences that were recorded under a name; None where there are none.

    Raises:
        SystemExit: they are out of date, of another grid or of other methods, so that they do not
            mix.
    """
    there = results.names(results.FOLDER)
    if name not in there:
        return None
    rows = results.read(name, results.FOLDER)
    differences = replace(rows, counts=(), images={})  # of networks that none is compared with
    if beside(name) in there:
        differences = results.read(beside(name), results.FOLDER)
    digest = {grid.name: results.file_sha256(grid)}
    for found in (rows, differences):
        if found.stale or (found.data, found.text) != (digest, versions()):
            raise SystemExit(
                f"'{name}' was recorded with another {grid.name} or other methods"
                f"{' (stale: ' + found.stale + ')' if found.stale else ''}: give --record another "
                f"name, or remove {name}.json and {beside(name)}.json first"
            )
    return rows, differences


def beside(name: str | None) -> str:
    """The name of the differences that belong to recorded rows."""
    return f"{name}_differences"


def versions() -> str:
    """How the parts are judged today."""
    return "\n".join(f"{name}: {version}" for name, (_, version) in PARTS.items())


def shown(line: dict[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value['count']}/{value['of']}" if isinstance(value, dict) else value
        for name, value in line.items()
    }


def state_of(cell: Cell, state: Path) -> dict[str, Any]:
    folder = state / cell.name
    log = folder / "log"
    curves = [p for p in log.glob("*.csv")] if log.exists() else []
    epochs = sum(len(path.read_text().splitlines()) - 1 for path in curves)
    return {
        "cell": cell.name,
        "epochs": f"{epochs}/{cell.grid['epochs']}",
        "trained": (folder / MODEL).exists(),
        "to judge": " ".join(missing(cell, folder)),
    }


def wanted(cell: Cell, only: list[str]) -> bool:
    return not only or any(fnmatch(cell.name, pattern) for pattern in only)


def read(folder: Path, name: str) -> dict[str, Any]:
    path = folder / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def digest(path: Path) -> str:
    return results.file_sha256(path)


def say(cell: Cell, what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {cell.name}: {what}", flush=True)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """One process a folder; a second one is refused."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"another process works in {state}; wait for it, or stop it") from None
        yield


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--state", type=Path, metavar="DIR", required=True, help="of the work")
    parser.add_argument("--only", nargs="+", default=[], metavar="CELL", help="no other cells")
    parser.add_argument("--grid", type=Path, metavar="FILE", help="default: evidence.toml")
    parser.add_argument("--list", action="store_true", help="say what is there")
    parser.add_argument("--table", action="store_true", help="print what is there, train nothing")
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
