"""Attacks on one network in several bit widths, and what transfers between them.

    python benchmarks/bernhard.py float=F.keras w4a4=A.keras w2a2=B.keras --data DIR
        [--images 1000] [--standard] [--transfer fgsm bim spsa cw pgd] [--json OUT.json]
        [--record NAME]

The settings of Bernhard, Moellic and Dutertre 2019: FGSM, BIM (300 steps) and SPSA (100 steps of
128 samples) with epsilon = .03 of the [0, 1] scale, a ball that holds the integers up to 7 of 255;
Carlini-Wagner L2 with 10 searches of 100 steps, for transfer with confidence 30; on images that
every network classifies right. ``--standard`` takes fewer steps: with ``--images 50`` it runs on
two cores. Masking checks are printed for every network.
Recipes of the networks: models/cifar10_bernhard.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import results
from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.attacks import (
    LINF,
    Attacked,
    Budget,
    KerasTarget,
    Search,
    Transfer,
    basic_iterative,
    carlini_wagner,
    fast_gradient,
    masking_suite,
    spsa,
    suite_settings,
    transfer_matrix,
    white_box,
)
from qrobust.attacks.evaluation.report import masking_table
from qrobust.attacks.evaluation.transfer import mean_sizes
from qrobust.load_keras import load_keras

EPSILON = 0.03 * 255
CONFIDENCE = 30  # of Carlini and Wagner's attack where it has to transfer
TRANSFERS = ("fgsm", "bim", "spsa", "cw", "pgd")


def main() -> int:
    args = arguments()
    if args.tiny:
        args.images, args.standard, args.transfer = 1, True, ["fgsm"]
    named = [argument.partition("=") for argument in args.networks]
    targets = [KerasTarget(load_keras(Path(path)), name=name) for name, _, path in named]
    test = datasets.cifar10(args.data).test
    right = [~Search(target, test.x, test.y, None).fallen for target in targets]
    clean = {target.name: float(r.mean()) for target, r in zip(targets, right, strict=True)}
    for name, share in clean.items():
        print(f"{name}: clean accuracy {share:.1%} on {len(test.x)} images")
    chosen = np.flatnonzero(np.all(right, axis=0))[: args.images]
    if not len(chosen):
        raise SystemExit("no image that all networks classify right")
    x, y = test.x[chosen], test.y[chosen]
    budget, full = Budget(EPSILON, LINF), not args.standard
    rows = [
        row for target in targets for row in attacked(target, x, y, budget, full=full, args=args)
    ]
    print(f"\nadversarial accuracy, {len(x)} images that all classify right, {budget}\n")
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3g"))
    masking = {}
    for target in targets:
        found = masking_suite(target, x, y, budget, full=full, seed=args.seed)
        masking[target.name] = [asdict(check) for check in found.checks]
        print(f"\nmasked gradients of {target.name}\n\n{masking_table(found.checks)}")
    crafts = crafting(budget, full=full, seed=args.seed)
    transfers = {}
    for name in args.transfer:
        found = transfer_matrix(
            targets, targets, x, y, budget, seed=args.seed, craft=crafts.get(name)
        )
        transfers[name] = plain(found)
        print(f"\ntransfer of {name}\n\n{found.markdown()}")
    if args.json is not None:
        result = {
            "images": len(x),
            "epsilon": EPSILON,
            "full": full,
            "seed": args.seed,
            "clean_accuracy": clean,
            "rows": rows,
            "masking": masking,
            "transfer": transfers,
        }
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    paths = [Path(path) for _, _, path in named]
    source = {"models": paths, "data": {f"{len(x)} chosen images": x}, "seed": args.seed}
    results.record(args.record, counts=wide(rows, clean, len(test.x), len(x)), **source)
    if args.record is not None:
        shown = [
            row for name, found in transfers.items() for row in crafted_on(name, found, len(x))
        ]
        results.record(f"{args.record}_transfer", counts=shown, **source)
    return 0


def wide(
    rows: list[dict[str, Any]], clean: dict[str, float], tested: int, images: int
) -> list[dict[str, Any]]:
    """A row for each network: right answers left, of those that all networks classify right."""
    return [
        {
            "network": name,
            "clean": results.share(round(share * tested), tested),
            **{
                row["attack"].split(" on ")[0]: results.share(
                    round(row["accuracy %"] / 100 * images), images
                )
                for row in rows
                if row["network"] == name
            },
        }
        for name, share in clean.items()
    ]


def crafted_on(attack: str, found: dict[str, Any], images: int) -> list[dict[str, Any]]:
    """Rows of a transfer: what is crafted on a network leaves of each of them."""
    return [
        {
            "attack": attack,
            "crafted on": source,
            **{
                target: results.share(round(left * images), images)
                for target, left in zip(found["targets"], line, strict=True)
            },
        }
        for source, line in zip(found["sources"], found["accuracy"], strict=True)
    ]


def attacked(
    target: KerasTarget,
    x: np.ndarray,
    y: np.ndarray,
    budget: Budget,
    *,
    full: bool,
    args: argparse.Namespace,
) -> list[dict[str, Any]]:
    """A row for each attack: accuracy left, and mean sizes of what fell (in [0, 1] units)."""
    rows = []
    attacks = white_box(target, x, y, budget, full=full, seed=args.seed)
    for found in tqdm(attacks, desc=target.name, total=7, file=sys.stderr):
        size = mean_sizes(found)
        row: dict[str, Any] = {"network": target.name, "attack": found.name}
        row["accuracy %"] = 100 * found.accuracy
        row |= {norm: mean if norm == "l0" else mean / 255 for norm, mean in size.items()}
        rows.append(row)
    return rows


def crafting(budget: Budget, *, full: bool, seed: int) -> dict[str, Callable[..., Attacked]]:
    """What crafts inputs for transfer, none of which stops at its own network's boundary."""
    s = suite_settings(full)
    step = None if s.step_share is None else budget.epsilon * s.step_share
    return {
        "fgsm": lambda t, x, y: fast_gradient(t, x, y, budget, stop=False),
        "bim": lambda t, x, y: basic_iterative(
            t, x, y, budget, steps=s.steps, step=step, stop=False
        ),
        "spsa": lambda t, x, y: spsa(
            t, x, y, budget, steps=s.spsa_steps, samples=s.spsa_samples, stop=False, seed=seed
        ),
        "cw": lambda t, x, y: carlini_wagner(
            t, x, y, searches=s.cw_searches, steps=s.cw_steps, confidence=CONFIDENCE
        ),
    }


def plain(transfer: Transfer) -> dict[str, Any]:
    """For JSON; sizes in LSB."""
    values = {"accuracy": transfer.accuracy.tolist(), "cosine": transfer.cosine.tolist()}
    names = {"sources": transfer.sources, "targets": transfer.targets}
    return names | values | {"size": transfer.size, "shift": transfer.shift}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", metavar="NAME=MODEL.keras")
    parser.add_argument("--data", metavar="DIR", help="of CIFAR-10")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--standard", action="store_true", help="the short suite")
    parser.add_argument("--transfer", nargs="+", choices=TRANSFERS, default=list(TRANSFERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    results.add_arguments(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
