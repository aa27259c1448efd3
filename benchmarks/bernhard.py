"""Attacks on one network in several bit widths, and what transfers between them.

    python benchmarks/bernhard.py float=F.keras w4a4=A.keras w2a2=B.keras --data DIR
        [--images 1000] [--standard] [--json OUT.json]

The settings of Bernhard, Moellic and Dutertre 2019: FGSM, BIM (300 steps) and SPSA (100 steps of
128 samples) with epsilon = .03 of the [0, 1] scale, a ball that holds the integers up to 7 of 255;
Carlini-Wagner L2 with 10 searches of 100 steps; on images that every network classifies right.
``--standard`` takes fewer steps.
Recipes of the networks: models/cifar10_bernhard.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from qrobust import datasets
from qrobust.attacks import LINF, Budget, KerasTarget, Search, distances, transfer_matrix, white_box
from qrobust.commands.keras_file import load_keras

EPSILON = 0.03 * 255


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", metavar="NAME=MODEL.keras")
    parser.add_argument("--data", metavar="DIR", help="of CIFAR-10")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--standard", action="store_true", help="the short suite")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    named = [argument.partition("=") for argument in args.networks]
    targets = [KerasTarget(load_keras(Path(path)), name=name) for name, _, path in named]
    test = datasets.cifar10(args.data).test
    right = [~Search(target, test.x, test.y, None).fallen for target in targets]
    for target, correct in zip(targets, right, strict=True):
        print(f"{target.name}: clean accuracy {correct.mean():.1%} on {len(correct)} images")
    chosen = np.flatnonzero(np.all(right, axis=0))[: args.images]
    x, y = test.x[chosen], test.y[chosen]
    budget = Budget(EPSILON, LINF)
    rows = [
        row
        for target in targets
        for row in attacked(target, x, y, budget, full=not args.standard, seed=args.seed)
    ]
    print(f"\nadversarial accuracy, {len(x)} images that all classify right, {budget}\n")
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3g"))
    transfers = transfer_matrix(targets, targets, x, y, budget, seed=args.seed)
    print(f"\n{transfers.markdown()}")
    if args.json is not None:
        accuracy = transfers.accuracy.tolist()
        args.json.write_text(json.dumps({"rows": rows, "transfer": accuracy}, indent=1) + "\n")
    return 0


def attacked(
    target: KerasTarget, x: np.ndarray, y: np.ndarray, budget: Budget, **options: Any
) -> list[dict[str, Any]]:
    """A row for each attack: accuracy left, and mean sizes of what fell (in [0, 1] units)."""
    rows = []
    attacks = white_box(target, x, y, budget, **options)
    for found in tqdm(attacks, desc=target.name, total=7, file=sys.stderr):
        sizes = distances(found.clean, found.adversarial)
        fell = found.moved
        row: dict[str, Any] = {"network": target.name, "attack": found.name}
        row["accuracy %"] = 100 * found.accuracy
        for norm in ("l0", "l2", "linf"):
            mean = float(sizes[norm][fell].mean()) if fell.any() else float("nan")
            row[norm] = mean if norm == "l0" else mean / 255
        rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(main())
