"""Fuzzed inputs of every target of tests/fuzz, and the planted faults, as one table.

    python benchmarks/fuzzing.py [--inputs 8500] [--targets file spec ...] [--seed 0] [--jobs 1]
        [--record fuzz] [--tiny]

``past the first check`` are inputs that came beyond the identifier, the syntax or the archive's
directory. A crash is the end of the process that judges inputs, a hang twenty seconds without a
sign of life, uncaught an exception that is no refusal. A planted fault is a defect on purpose, in
the run itself; the same run has to find it. ``python -m tests.fuzz.run`` shows and keeps inputs.
Exit status 1 where anything is found, or a planted fault is not.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tabulate import tabulate

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import results  # noqa: E402

from tests.fuzz.plants import PLANTS  # noqa: E402
from tests.fuzz.registry import TARGETS  # noqa: E402
from tests.fuzz.run import fuzz  # noqa: E402

KINDS = {"crash": "crashes", "hang": "hangs", "exception": "uncaught"}
_TINY, _PLANTED = 10, 300


def main() -> int:
    args = arguments()
    with ProcessPoolExecutor(args.jobs) as pool:
        found = list(pool.map(partial(row, inputs=args.inputs, seed=args.seed), args.targets))
        planted = [] if args.tiny else list(pool.map(plant_row, PLANTS))
    for r in found:
        for text in r.pop("texts"):
            print(f"{r['target']}: {text}")
    total = {"target": "all"} | {k: sum(r[k] for r in found) for k in found[0] if k != "target"}
    rows = [
        {**r, "past the first check": results.share(r["past the first check"], r["inputs"])}
        for r in (*found, total)
    ] + planted
    shown = [
        {
            k: f"{v['count']} ({v['count'] / v['of']:.0%})" if isinstance(v, dict) else v
            for k, v in r.items()
        }
        for r in rows
    ]
    print(tabulate(shown, headers="keys", tablefmt="github"))
    columns = list(dict.fromkeys(name for r in rows for name in r))
    rows = [{name: r.get(name, "") for name in columns} for r in rows]
    results.record(args.record, counts=rows, seed=args.seed)
    missed = any(r["planted fault found"] != "yes" for r in planted)
    return int(missed or any(total[kind] for kind in KINDS.values()))


def row(name: str, inputs: int, seed: int) -> dict:
    """One target's counts."""
    outcome = fuzz(name, inputs, seed=seed)
    kinds = Counter(kind for kind, *_ in outcome.findings)
    return {
        "target": name,
        "inputs": outcome.inputs,
        "past the first check": outcome.past,
        **{shown: kinds[kind] for kind, shown in KINDS.items()},
        "texts": [f"{kind}, input {number}: {text}" for kind, number, text in outcome.findings],
    }


def plant_row(plant: str) -> dict:
    """Whether the run finds a fault that was planted."""
    _, target, kind = PLANTS[plant]
    outcome = fuzz(target, _PLANTED, plant=plant, limit_s=3, most_findings=1)
    seen = [found[0] for found in outcome.findings] == [kind]
    return {
        "target": f"{target}, with a planted {plant}",
        "inputs": outcome.inputs,
        "planted fault found": "yes" if seen else "no",
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=8500, help="of each target (default: 8500)")
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (default: 1)")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.inputs, args.targets = _TINY, ["recipe", "npz"]
    return args


if __name__ == "__main__":
    sys.exit(main())
