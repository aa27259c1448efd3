"""Attacked accuracy of a reference model, for its card."""

from typing import Any

from qrobust.datasets import Split
from qrobust.training.recipe import Attack

_SEED = 0


def attacked(model: Any, tflite: bytes, test: Split, settings: Attack) -> str:
    """What the standard attacks leave, in words.

    Args:
        model: the Keras model, for PGD (40 steps, 4 restarts).
        tflite: its exported file, for Square (500 queries).
        test: examples; the first ``settings.images`` are attacked.
        settings: how.
    """
    if not settings.images:
        return "not attacked: see `qrobust attack`"
    from qrobust.attacks import LINF, Budget, KerasTarget, TFLiteTarget, projected_gradient, square

    x, y = test.x[: settings.images], test.y[: settings.images]
    budget = Budget(settings.epsilon, LINF)
    white = projected_gradient(KerasTarget(model), x, y, budget, seed=_SEED)
    black = square(TFLiteTarget(tflite), x, y, budget, queries=500, seed=_SEED)
    return (
        f"L-inf, epsilon {settings.epsilon:g} LSB, the first {len(x)} test examples: "
        f"{white.accuracy:.1%} under PGD on the Keras model, {black.accuracy:.1%} under Square on "
        f"the file"
    )
