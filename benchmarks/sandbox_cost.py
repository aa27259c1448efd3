"""Votes per second in a child process, over those in this one: what running apart costs.

    python benchmarks/sandbox_cost.py [MODEL.tflite ...] [--rounds 9] [--samples 20000]
        [--threads 1] [--record sandbox_cost] [--tiny]

Both run the same file on the same image, in turns that begin with another one every round, and
have to give the same votes. A round's ratio is the child's rate over this process's; of it the
median, the least and the greatest are shown, and beside them the child's best round over this
process's best, which others on the machine disturb least. A rate is good for nothing but its
ratio, and a ratio for little on a machine that does something else: the load is recorded with it.
"CPU" is the processor time of a vote over all processes, which others disturb less: of it the
medians, and the median of the rounds' ratios, this process's over the child's.
"""

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import results
from tabulate import tabulate
from tqdm import trange

from qrobust.certify import Certifier, read_spec

FILES = ("digits", "cifar10_resnet8_w4a4")
_SIGMA = "20"
_TINY_ROUNDS, _TINY_SAMPLES = 2, 128


def main() -> int:
    args = arguments()
    rows = [measured(path, args) for path in args.models]
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f"))
    print(f"load averages: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    results.record(args.record, speeds=rows, models=args.models, seed=0)
    return 0


def measured(path: Path, args: argparse.Namespace) -> dict:
    """Ratios of one file."""
    content = path.read_bytes()
    sigma = None if read_spec(content) else _SIGMA
    rates: dict[bool, list[float]] = {True: [], False: []}
    cpu: dict[bool, list[float]] = {True: [], False: []}
    with ExitStack() as stack:
        certifiers = {
            trusted: stack.enter_context(
                Certifier(content, sigma=sigma, threads=args.threads, trusted=trusted)
            )
            for trusted in rates
        }
        file = certifiers[True].file
        x = np.full(file.shape, (file.grid.low + file.grid.high) // 2)
        votes = [certifier.votes(x, args.samples).tolist() for certifier in certifiers.values()]
        if votes[0] != votes[1]:
            raise SystemExit(f"{path}: other votes in the child: {votes}")
        for turn in trange(args.rounds, unit="round", desc=path.parent.name, file=sys.stderr):
            for trusted in (True, False) if turn % 2 else (False, True):
                certifier = certifiers[trusted]
                began, used = time.perf_counter(), certifier.counter.cpu_seconds()
                certifier.votes(x, args.samples)
                rates[trusted].append(args.samples / (time.perf_counter() - began))
                cpu[trusted].append((certifier.counter.cpu_seconds() - used) / args.samples)
    ratios = [apart / here for here, apart in zip(rates[True], rates[False], strict=True)]
    return {
        "model": path.parent.name,
        "rounds": args.rounds,
        "samples": args.samples,
        "threads": args.threads,
        "votes/s here": median(rates[True]),
        "in a child": median(rates[False]),
        "best over best": max(rates[False]) / max(rates[True]),
        "ratio, median": median(ratios),
        "least": min(ratios),
        "greatest": max(ratios),
        "CPU us here": 1e6 * median(cpu[True]),
        "CPU us, child": 1e6 * median(cpu[False]),
        "CPU ratio": median(a / b for a, b in zip(cpu[True], cpu[False], strict=True)),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shipped = [results.PROJECT / "models" / name / "model.tflite" for name in FILES]
    parser.add_argument("models", nargs="*", type=Path, default=shipped)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=20_000, help="of one turn")
    parser.add_argument("--threads", type=int, default=1)
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.models, args.rounds, args.samples = shipped[:1], _TINY_ROUNDS, _TINY_SAMPLES
    return args


if __name__ == "__main__":
    sys.exit(main())
