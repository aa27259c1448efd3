"""Kills of ``qrobust certify``: what hangs, what is left running, what differs afterwards.

    python benchmarks/kills.py [--kills 100] [--seed 0] [--record kills] [--tiny]

Every run certifies the same images and is ended by SIGKILL, SIGTERM or SIGINT (to its whole process
group, as a terminal does) at a random moment, a third of them in the first second; then the same
command goes on to the end. Counted are runs that are still there after ten seconds, processes of
theirs that outlive them by five, resumed journals that differ from an uninterrupted one in anything
but times, tracebacks, and exit statuses other than 130 and 143 (or the signal itself, before the
command has begun). A traceback that Python prints while it starts, before it runs a line of this
project (of ``site``, or while it looks for the module), is out of the project's reach and in a
column of its own. Exit status 1 when any column but that one is not 0.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import results
from tabulate import tabulate
from tqdm import tqdm

MODEL = Path(__file__).parents[1] / "models" / "digits" / "model.tflite"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WORKERS = (1, 2)
COLUMNS = ("kills", "hung", "orphans", "differing", "tracebacks", "statuses", "Python's start")
IMAGES, SAMPLES = 24, 4000
PATIENCE_S, ORPHAN_S, FIRST_S = 10, 5, 1
MARK = "QROBUST_KILLS"


def main() -> int:
    args = arguments()
    rng = random.Random(args.seed)
    rows = {(number, workers): Counter() for number in SIGNALS for workers in WORKERS}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        images = np.random.default_rng(args.seed).integers(0, 17, (IMAGES, 8, 8, 1))
        np.savez(folder / "d.npz", x=images.astype(np.uint8))
        began = time.perf_counter()
        process = start(folder, "whole.jsonl", 1, "whole")
        process.communicate()
        seconds = time.perf_counter() - began
        whole = lines(folder / "whole.jsonl")
        for i in tqdm(range(args.kills), unit="kill"):
            key = list(rows)[i % len(rows)]
            moment = rng.uniform(0, FIRST_S if i % 3 == 0 else seconds)
            rows[key].update(kill(folder, *key, moment, f"{os.getpid()}-{i}", whole))
    table = [
        {"signal": signal.Signals(number).name, "workers": workers, **{c: row[c] for c in COLUMNS}}
        for (number, workers), row in rows.items()
    ]
    total = {c: sum(row[c] for row in rows.values()) for c in COLUMNS}
    table.append({"signal": "all", "workers": "1 and 2", **total})
    print(tabulate(table, headers="keys", tablefmt="github"))
    results.record(args.record, counts=table, models=[MODEL], seed=args.seed)
    return int(any(row[name] for row in rows.values() for name in COLUMNS[1:-1]))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill and resume certifications.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of signals and moments")
    results.add_arguments(parser)
    args = parser.parse_args()
    args.kills = 1 if args.tiny else args.kills
    return args


def start(folder: Path, out: str, workers: int, mark: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "qrobust.certify", str(MODEL), str(folder / "d.npz")]
    command += ["--out", str(folder / out), "--n", str(SAMPLES), "--workers", str(workers)]
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [*command, "--quiet", "--allow-constant"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where this runs in the background of a shell, Ctrl-C would be ignored in all of them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, MARK: mark, "PYTHONPATH": path},
    )


def kill(
    folder: Path, number: int, workers: int, moment: float, mark: str, whole: list[object]
) -> Counter[str]:
    """Start, kill after ``moment`` seconds, look, resume, compare."""
    found = Counter(kills=1)
    path = folder / f"{mark}.jsonl"
    process = start(folder, path.name, workers, mark)
    time.sleep(moment)
    done = process.poll() is not None
    if not done:
        os.killpg(process.pid, number)
    errors = ended(process, found)
    if not done:
        found["statuses"] += process.returncode not in (0, -number, 128 + number)
    early = of_pythons_start(errors)
    found["Python's start"] += early
    found["tracebacks"] += "Traceback" in errors and not early
    if "Traceback" in errors:
        tqdm.write(f"{mark}, after {moment:.2f} s:\n{errors}", sys.stderr)
    found["statuses"] -= early and found["statuses"] > 0
    found["orphans"] += left(mark)
    again = start(folder, path.name, workers, mark)
    errors = ended(again, found, patience=300)
    found["differing"] += lines(path) != whole
    if "Traceback" in errors:
        found["tracebacks"] += 1
        tqdm.write(f"{mark}, resumed:\n{errors}", sys.stderr)
    path.unlink(missing_ok=True)
    return found


def of_pythons_start(errors: str) -> bool:
    """Whether these are the words of an interpreter that ended before it ran any line of ours.

    It was still reading ``site`` (and what that runs) or looking for the module to run: every frame
    is then of a frozen module or of the codecs that it loads first.
    """
    tracebacks = errors.split("Traceback (most recent call last)")[1:]
    return bool(tracebacks) and all(map(_before_us, tracebacks))


def _before_us(traceback: str) -> bool:
    frames = re.findall(r'^\s*File "([^"]+)"', traceback, re.M)
    own = all(frame.startswith("<frozen ") or "/encodings/" in frame for frame in frames)
    return bool(frames) and ("<frozen site>" in frames or own)


def ended(process: subprocess.Popen[str], found: Counter[str], patience: float = PATIENCE_S) -> str:
    try:
        return process.communicate(timeout=patience)[1]
    except subprocess.TimeoutExpired:
        found["hung"] += 1
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[1]


def left(mark: str) -> int:
    """Processes with this mark that are alive after a while."""
    end = time.monotonic() + ORPHAN_S
    while alive := marked(mark):
        if time.monotonic() > end:
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            return len(alive)
        time.sleep(0.05)
    return 0


def marked(mark: str) -> list[int]:
    wanted, found = f"{MARK}={mark}\0".encode(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if wanted not in Path(f"/proc/{name}/environ").read_bytes():
                continue
            state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(int(name))
    return found


def lines(path: Path) -> list[object]:
    """A journal without times."""
    if not path.exists():
        return []
    return [{**json.loads(line), "seconds": 0} for line in path.read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
