"""``qrobust ensemble``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qrobust.commands.inputs import load_for
from qrobust.load_keras import load_keras
from tflite_export.atomic import replacing

HELP = "put several quantized .keras of any bit width into one, which exports as one integer file"
_LEARN = "learn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL.keras", help="the members, quantized"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT.keras", help="the model to write"
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        metavar="W",
        help="whole numbers, one a member (default: all 1); or learn DATA, from training images "
        "that no member was trained on",
    )
    parser.add_argument(
        "--rule",
        choices=("mean", "majority"),
        default="mean",
        help="of logits, or of labels (default: mean)",
    )
    parser.add_argument(
        "--sigma",
        type=float,
        metavar="LSB",
        help="noise to learn under (default: that of the members)",
    )
    parser.add_argument(
        "--copies", type=int, default=4, metavar="N", help="noisy, of each image (default: 4)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Combine, save, and say what decides."""
    if args.out.suffix != ".keras":
        raise ValueError(f"--out is a .keras file. Received: {args.out}")
    models = [load_keras(path) for path in args.models]
    from qrobust.ensembles import combine

    weights = _weights(args, models)
    ensemble = combine(models, weights, rule=args.rule)
    with replacing(args.out) as beside:
        ensemble.save(beside)
    shown = (1,) * len(models) if weights is None else weights
    for path, weight in zip(args.models, shown, strict=True):
        print(f"{path}: weight {weight}{'' if weight else ', left out'}")
    print(f"{args.out}: {args.rule}; {_noise_of(ensemble)}")
    return 0


def _weights(args: argparse.Namespace, models: Sequence[Any]) -> Sequence[int] | None:
    given = args.weights
    if given is not None and given[0] == _LEARN:
        return _learned(args, models)
    if args.sigma is not None:
        raise ValueError("--sigma is of weights that are learned: --weights learn DATA.")
    if given is None:
        return None
    if not all(word.isdecimal() for word in given):
        raise ValueError(
            f"--weights are {len(models)} whole numbers, or learn DATA. Received: {' '.join(given)}"
        )
    return [int(word) for word in given]


def _learned(args: argparse.Namespace, models: Sequence[Any]) -> Sequence[int]:
    from qrobust.ensembles import learn_weights

    if len(args.weights) != 2:
        raise ValueError("--weights learn takes one DATA: images and classes to learn from.")
    data = load_for(Path(args.weights[1]), args.models[0])
    if data.y is None:
        raise ValueError(f"'{args.weights[1]}' holds no y. Weights are learned from true classes.")
    sigma = _sigma_of(models) if args.sigma is None else args.sigma
    learned = learn_weights(models, data.x, data.y, sigma, copies=args.copies, seed=args.seed)
    print(f"learned on {learned.copies} noisy copies, sigma {sigma:g} LSB:")
    for name, loss in learned.losses.items():
        print(f"  {name}: loss {loss:.4f} nats, right {learned.accuracies[name]:.1%}")
    return learned.weights


def _sigma_of(models: Sequence[Any]) -> float:
    """The noise that all members were trained with."""
    from qrobust.layers.input_noise import input_noise

    try:
        found = {end for model in models for end in input_noise(model).sigma}
    except ValueError:
        found = set()
    if len(found) != 1:
        raise ValueError("The members name no noise in common. Give --sigma, in LSB of the input.")
    return float(found.pop())


def _noise_of(ensemble: Any) -> str:
    """What smooths an ensemble in training, in words."""
    from qrobust.layers import GridNoise

    shared = [layer for layer in ensemble.layers if isinstance(layer, GridNoise)]
    if not shared:
        return "no noise that all members have alike, so each keeps its own"
    low, high = shared[0].sigma
    return f"one noise layer for all, sigma {low:g}{'' if low == high else f' to {high:g}'} LSB"
