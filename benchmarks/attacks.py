"""Our PGD, Square and Carlini-Wagner beside ART's: same model, images and budget, one run.

    python benchmarks/attacks.py [MODEL.keras] [--data DATA.npz] [--images 100] [--epsilon 24]
        [--attacks pgd square cw] [--steps 20] [--restarts 2] [--queries 200] [--json OUT.json]

The default is the reference model digits on held-out digits. What ART finds is rounded onto the
integer grid and into the same ball, as it would have to be to reach a device; its accuracy before
the rounding is shown too. Ours holds the requirement where its accuracy is at most one point
above ART's. The exit status is 1 where it does not.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from qrobust import datasets
from qrobust.attacks import (
    L2,
    Attacked,
    Budget,
    KerasTarget,
    carlini_wagner,
    distances,
    project,
    projected_gradient,
    square,
)
from qrobust.certify import load_data
from qrobust.commands.keras_file import load_keras

POINT = 0.01
DIGITS = Path(__file__).parents[1] / "models" / "digits" / "model.keras"


def main() -> int:
    args = arguments()
    target = KerasTarget(load_keras(args.model))
    if args.data is None:
        test = datasets.digits().test
        x, y = test.x[: args.images], test.y[: args.images]
    else:
        data = load_data(args.data)
        x, y = data.x[: args.images], data.y[: args.images]
    rows = compare(target, x, y, args)
    print(f"\n{args.model}, {len(x)} images; accuracy left, lower is stronger\n")
    print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f"))
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return int(not all(row["holds"] for row in rows))


def compare(
    target: KerasTarget, x: NDArray[Any], y: NDArray[Any], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from art.attacks.evasion import (
        CarliniL2Method,
        ProjectedGradientDescentTensorFlowV2,
        SquareAttack,
    )

    classifier = art_classifier(target)
    linf = Budget(args.epsilon)
    l2 = Budget(args.epsilon * float(np.sqrt(x[0].size)) / 2, L2)
    rows = []
    for budget in (linf, l2):
        order = 2 if budget.norm == L2 else np.inf
        step = 2.5 * budget.epsilon / args.steps
        if "pgd" in args.attacks:
            theirs = ProjectedGradientDescentTensorFlowV2(
                classifier,
                norm=order,
                eps=budget.epsilon,
                eps_step=step,
                max_iter=args.steps,
                num_random_init=args.restarts,
                verbose=False,
            )
            options = {"steps": args.steps, "restarts": args.restarts, "step": step}
            mine = projected_gradient(target, x, y, budget, **options)
            rows.append(duel(f"PGD, {budget}", target, y, budget, mine, theirs))
        if "square" in args.attacks:
            theirs = SquareAttack(
                classifier,
                norm=order,
                eps=budget.epsilon,
                max_iter=args.queries,
                p_init=0.8,
                verbose=False,
            )
            mine = square(target, x, y, budget, queries=args.queries)
            rows.append(duel(f"Square, {budget}", target, y, budget, mine, theirs))
    if "cw" in args.attacks:
        theirs = CarliniL2Method(
            classifier,
            learning_rate=0.1,
            binary_search_steps=5,
            max_iter=args.steps,
            initial_const=1.0,
            batch_size=64,
            verbose=False,
        )
        mine = carlini_wagner(target, x, y, searches=5, steps=args.steps)
        rows.append(duel(f"Carlini-Wagner, {l2}", target, y, l2, mine, theirs))
    return rows


def art_classifier(target: KerasTarget) -> Any:
    import tensorflow as tf
    from art.estimators.classification import TensorFlowV2Classifier

    return TensorFlowV2Classifier(
        model=lambda x, training=False: target.model_fn(x),
        nb_classes=target.classes,
        input_shape=target.shape,
        loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(target.grid.low, target.grid.high),
    )


def duel(
    name: str,
    target: KerasTarget,
    y: NDArray[Any],
    budget: Budget,
    mine: Attacked,
    art: Any,
) -> dict[str, Any]:
    clean = mine.clean
    # ART draws from NumPy's global generator and offers nothing else.
    np.random.seed(0)
    started = time.perf_counter()
    raw = art.generate(x=clean.astype(np.float32), y=y)
    seconds = time.perf_counter() - started
    rounded = project(clean, raw, mine.budget, target.grid)
    theirs = accuracy(target, clean, rounded, y, budget)
    row = {
        "attack": name,
        "ours": mine.within(budget),
        "ART on the grid": theirs,
        "ART unrounded": float((target.logits(raw).argmax(axis=1) == y).mean()),
        "our s": round(mine.seconds, 1),
        "ART s": round(seconds, 1),
        "holds": bool(mine.within(budget) <= theirs + POINT + 1e-9),
    }
    print(row, flush=True)
    return row


def accuracy(
    target: KerasTarget, x: Any, adversarial: Any, y: NDArray[Any], budget: Budget
) -> float:
    """Share that holds: perturbations outside the ball, and of no use, count as held."""
    inside = distances(x, adversarial)[budget.norm] <= budget.epsilon
    moved = np.where(inside.reshape(-1, *(1,) * (x.ndim - 1)), adversarial, x)
    return float((target.logits(moved).argmax(axis=1) == y).mean())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="our attacks beside ART's")
    parser.add_argument("model", type=Path, nargs="?", default=DIGITS)
    parser.add_argument("--data", type=Path, metavar="DATA.npz", help="default: digits")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--epsilon", type=float, default=24, help="L-inf, LSB")
    parser.add_argument(
        "--attacks", nargs="+", choices=("pgd", "square", "cw"), default=["pgd", "square", "cw"]
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
