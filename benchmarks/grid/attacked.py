"""The standard worst case: of what ships, a file, or of a float cell's Keras model."""

from typing import Any

from grid.subject import Subject
from qrobust.attacks import LINF, Budget, KerasTarget, TFLiteTarget, standard_worst_case

VERSION = (
    "standard worst case: APGD-CE, APGD-T, Square-5000; the file decides, gradients are its Keras "
    "model's (a float cell: the model is both); L-inf"
)


def attacked(subject: Subject) -> dict[str, Any]:
    """Which images no attack moves off their class; an image that is wrong already is not."""
    cell, budget = subject.cell, Budget(subject.cell.settings["epsilon"], LINF)
    model = KerasTarget(subject.model)
    judge = model if subject.tflite is None else TFLiteTarget(subject.tflite)
    found = standard_worst_case(
        judge, subject.x, subject.y, budget, surrogate=model, seed=cell.seed
    )
    each = {attack.name: (~attack.fallen).tolist() for attack in found.attacks}
    return {"right": found.left.tolist(), "each": each}
