"""Ctrl-C in the first moments of a command: what it prints, and who printed it.

    python benchmarks/first_moments.py [--kills 60] [--within-ms 150] [--record first_moments]
        [--tiny]

Interrupts are spread evenly over the first moments of ``qrobust models``, started as a console
script does and as ``python -m qrobust``, without other packages' start-up hooks (``-S``: what an
installation adds to Python's own start is not this project's). Until the package is imported, two
small files, Ctrl-C is the interpreter's and ends in its traceback: "Python's start" where no frame
is of this project, "import" where the last one is of those files. From there on it is one line:
exit status 1 when anything else was seen ("later").
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import results
from tabulate import tabulate
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
WAYS = {
    "console script": (
        "-c",
        "import sys\nfrom qrobust.cli import main\nsys.exit(main())",
        "models",
    ),
    "python -m qrobust": ("-m", "qrobust", "models"),
}
COLUMNS = ("interrupts", "a line", "by the signal", "done", "Python's start", "import", "later")
OURS = re.compile(rf'File "{re.escape(str(ROOT))}/qrobust/([^"]+)", line \d+, in (.*)')
#: What is imported before the handlers are there, and where a command begins.
FIRST = ("__init__.py", "__main__.py", "cli.py", "first_moment.py", "keras_names.py", "version.py")


def main() -> int:
    args = arguments()
    rows = []
    for way, words in WAYS.items():
        found: Counter[str] = Counter()
        for i in tqdm(range(args.kills), desc=way, unit="interrupt"):
            found[interrupted(words, (i + 0.5) * args.within_ms / args.kills / 1000)] += 1
        row = {column: found[column] for column in COLUMNS}
        rows.append({"started as": way, **row, "interrupts": args.kills})
    print(tabulate(rows, headers="keys", tablefmt="github"))
    results.record(args.record, counts=rows)
    return int(any(row["later"] for row in rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Interrupt commands while they start.")
    parser.add_argument("--kills", type=int, default=60, help="interrupts of each way to start")
    parser.add_argument("--within-ms", type=float, default=150, help="of a command's start")
    results.add_arguments(parser)
    args = parser.parse_args()
    args.kills = 3 if args.tiny else args.kills
    return args


def interrupted(words: tuple[str, ...], seconds: float) -> str:
    """Start, interrupt, and say in a word what was seen: one of `COLUMNS`."""
    process = subprocess.Popen(
        [sys.executable, "-S", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    if "Traceback" in errors:
        tqdm.write(f"after {seconds:.3f} s:\n{errors}", sys.stderr)
        frames = re.findall(OURS, errors)
        if not frames:
            return "Python's start"
        name, function = frames[-1]
        early = name in FIRST and function in ("<module>", "register", "_register", "take_signals")
        return "import" if early else "later"
    if process.returncode == 0:
        return "done"
    if process.returncode == -signal.SIGINT:
        return "by the signal"
    if (process.returncode, errors) == (128 + signal.SIGINT, "interrupted\n"):
        return "a line"
    return "later"


if __name__ == "__main__":
    raise SystemExit(main())
