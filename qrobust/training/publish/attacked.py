"""Attacked accuracy of a reference model, for its card."""

from typing import Any

from qrobust.datasets import Split
from qrobust.training.publish.summary import AttackedShare
from qrobust.training.recipe_evidence import Attack

_SEED = 0


def attacked(model: Any, tflite: bytes, test: Split, settings: Attack) -> tuple[AttackedShare, ...]:
    """What the standard attacks leave.

    Args:
        model: the Keras model, for PGD (40 steps, 4 restarts).
        tflite: its exported file, for Square (500 queries).
        test: examples; the first ``settings.images`` are attacked.
        settings: how; nothing where no images are asked for.
    """
    if not settings.images:
        return ()
    from qrobust.attacks import LINF, Budget, KerasTarget, TFLiteTarget, projected_gradient, square

    x, y = test.x[: settings.images], test.y[: settings.images]
    budget = Budget(settings.epsilon, LINF)
    white = projected_gradient(KerasTarget(model), x, y, budget, seed=_SEED)
    black = square(TFLiteTarget(tflite), x, y, budget, queries=500, seed=_SEED)
    return tuple(
        AttackedShare(name, target, LINF, settings.epsilon, round(result.accuracy * len(x)), len(x))
        for name, target, result in (
            ("PGD", "the Keras model", white),
            ("Square", "the file", black),
        )
    )
