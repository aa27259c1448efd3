"""``qrobust ensemble``."""

import argparse
from collections.abc import Sequence
from typing import Any

from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.commands.combining import add_combining, check_combining, data_to_learn
from qrobust.load_keras import load_keras
from tflite_export.atomic import replacing

HELP = "put several quantized .keras of any bit width into one, which exports as one integer file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_combining(
        parser,
        members=("MODEL.keras", "the members, quantized"),
        out="OUT.keras",
        rules=("mean", "majority"),
        rule="of logits, or of labels",
        learn="weights",
        sigma="that of the members)",
    )


def run(args: argparse.Namespace) -> int:
    """Combine, save, and say what decides."""
    check_combining(args, ".keras")
    models = [load_keras(path, allow_code=args.allow_code) for path in args.models]
    from qrobust.ensembles import combine

    weights = args.weights if args.learn is None else _learned(args, models)
    ensemble = combine(models, weights, rule=args.rule)
    with replacing(args.out) as beside:
        ensemble.save(beside)
    shown = (1,) * len(models) if weights is None else weights
    for path, weight in zip(args.models, shown, strict=True):
        print(f"{path}: weight {weight}{'' if weight else ', left out'}")
    print(f"{args.out}: {args.rule}; {_noise_of(ensemble)}")
    return 0


def _learned(args: argparse.Namespace, models: Sequence[Any]) -> Sequence[int]:
    from qrobust.ensembles import learn_weights

    data = data_to_learn(args, models[0])
    sigma = _sigma_of(models) if args.sigma is None else float(rational(args.sigma, "--sigma"))
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
