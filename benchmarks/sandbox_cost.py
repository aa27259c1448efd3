"""Votes per second in a child process, over those in this one: what running apart costs.

    python benchmarks/sandbox_cost.py [MODEL.tflite[:VOTES] ...] [--threads 1] [--rounds 41]
        [--turn .02] [--record sandbox_cost] [--tiny]

Both run the same file on the same image, in short turns that begin with another one every round,
and have to give the same votes. A turn is as many calls of ``votes(x, VOTES)`` as take about
``--turn`` seconds in this process, one at least. A round's ratio is the child's rate over this
process's, in time or in processor time of all processes; of the ratios the median is shown, and its
interval of at least 95 % (order statistics, which ask nothing of the ratios but that rounds are
alike). What else the machine does hits both turns of a round, in whichever order. Where it is busy,
two processes get a greater part of it than one, and each finds less in the caches: only on a quiet
machine is the ratio what running apart costs. The load is recorded.
"""

import argparse
import itertools
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import results
from scipy.stats import binom
from tabulate import tabulate
from tqdm import trange

from qrobust.certify import Certifier, read_spec

# The fastest file that is shipped, with few votes and with as many as `certify` takes by default,
# and a usual one, where a message weighs least.
CASES = ("digits:1000", "digits:10000", "cifar10_resnet8_w4a4:1000")
_VOTES = 1000
_SIGMA = "20"
_CONFIDENCE = 0.95
_TINY = {"rounds": 2, "turn": 0.001}


def main() -> int:
    args = arguments()
    rows = [
        measured(path, threads, samples, args)
        for (path, samples), threads in itertools.product(args.cases, args.threads)
    ]
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f"))
    print(f"load averages: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    results.record(
        args.record, speeds=rows, models=sorted({path for path, _ in args.cases}), seed=0
    )
    return 0


def measured(path: Path, threads: int, samples: int, args: argparse.Namespace) -> dict:
    """Ratios of one file."""
    content = path.read_bytes()
    sigma = None if read_spec(content) else _SIGMA
    rates: dict[bool, list[float]] = {True: [], False: []}
    cpu: dict[bool, list[float]] = {True: [], False: []}
    with ExitStack() as stack:
        certifiers = {
            trusted: stack.enter_context(
                Certifier(content, sigma=sigma, threads=threads, trusted=trusted)
            )
            for trusted in rates
        }
        file = certifiers[True].file
        x = np.full(file.shape, (file.grid.low + file.grid.high) // 2)
        votes = [certifier.votes(x, samples).tolist() for certifier in certifiers.values()]
        if votes[0] != votes[1]:
            raise SystemExit(f"{path}: other votes in the child: {votes}")
        for certifier in certifiers.values():
            turn(certifier, x, samples, 8)  # both learn how long a request may be
        alone = turn(certifiers[True], x, samples, 1)[1] * samples  # whatever else runs here
        calls = max(1, round(args.turn / alone))
        for number in trange(args.rounds, unit="round", desc=path.parent.name, file=sys.stderr):
            for trusted in (True, False) if number % 2 else (False, True):
                spent = turn(certifiers[trusted], x, samples, calls)
                rates[trusted].append(1 / spent[0])
                cpu[trusted].append(spent[1])
    ratios = sorted(there / here for here, there in zip(rates[True], rates[False], strict=True))
    cpu_ratios = sorted(here / there for here, there in zip(cpu[True], cpu[False], strict=True))
    return {
        "model": path.parent.name,
        "votes a call": samples,
        "calls a turn": calls,
        "rounds": args.rounds,
        "threads": threads,
        "votes/s here": f"{median(rates[True]):,.0f}",
        "in a child": f"{median(rates[False]):,.0f}",
        "child over here": shown(ratios),
        "CPU time a vote, us": 1e6 * median(cpu[True]),
        "in a child, us": 1e6 * median(cpu[False]),
        "here over child": shown(cpu_ratios),
    }


def turn(certifier: Certifier, x: np.ndarray, samples: int, calls: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, for one vote."""
    began, used = time.perf_counter(), certifier.counter.cpu_seconds()
    for _ in range(calls):
        certifier.votes(x, samples)
    taken = time.perf_counter() - began, certifier.counter.cpu_seconds() - used
    return taken[0] / (calls * samples), taken[1] / (calls * samples)


def shown(ordered: list[float]) -> str:
    """The median of ordered ratios, and the interval between the order statistics around it."""
    n = len(ordered)
    below = int(binom.ppf((1 - _CONFIDENCE) / 2, n, 0.5))
    low, high = (ordered[below - 1], ordered[n - below]) if below else (ordered[0], ordered[-1])
    return f"{median(ordered):.3f} ({low:.3f} to {high:.3f})"


def case(text: str) -> tuple[Path, int]:
    """A file and how many votes a call asks for."""
    name, _, votes = text.partition(":")
    return Path(name), int(votes or _VOTES)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", type=case, metavar="MODEL.tflite[:VOTES]")
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--turn", type=float, default=0.02, help="seconds of one turn")
    results.add_arguments(parser)
    args = parser.parse_args()
    shipped = results.PROJECT / "models"
    if not args.cases:
        named = map(case, CASES)
        args.cases = [(shipped / name / "model.tflite", votes) for name, votes in named]
    if args.tiny:
        vars(args).update(_TINY, cases=args.cases[:1])
    return args


if __name__ == "__main__":
    sys.exit(main())
