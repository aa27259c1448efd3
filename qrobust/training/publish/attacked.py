"""Attacked accuracy of a reference model, for its card."""

from typing import Any

from qrobust.datasets import Split
from qrobust.training.publish.summary import AttackedShare
from qrobust.training.recipe_evidence import Attack

_SEED = 0


def attacked(
    model: Any, tflite: bytes | None, test: Split, settings: Attack
) -> tuple[AttackedShare, ...]:
    """What the standard worst case leaves: each attack, then all of them together.

    The same suite as that of ``qrobust attack`` and of the benchmarks' tables, and the same
    denominator: of all images, those that are right and stay right.

    Args:
        model: the Keras model, whose gradients are followed.
        tflite: its exported file, which decides; None for a float twin, which decides itself.
        test: examples; the first ``settings.images`` are attacked.
        settings: how; nothing where no images are asked for.
    """
    if not settings.images:
        return ()
    from qrobust.attacks import LINF, Budget, KerasTarget, TFLiteTarget, standard_worst_case
    from qrobust.attacks.evaluation.standard_worst_case import STANDARD

    x, y = test.x[: settings.images], test.y[: settings.images]
    source = KerasTarget(model)
    file = None if tflite is None else TFLiteTarget(tflite)
    try:
        found = standard_worst_case(
            source if file is None else file,
            x,
            y,
            Budget(settings.epsilon, LINF),
            surrogate=source,
            seed=_SEED,
        )
    finally:
        if file is not None:
            file.close()
    judge = "the Keras model" if file is None else "the file"
    left = {attack.name: ~attack.fallen for attack in found.attacks} | {STANDARD: found.left}
    return tuple(
        AttackedShare(name, judge, LINF, settings.epsilon, int(stands.sum()), len(x))
        for name, stands in left.items()
    )
