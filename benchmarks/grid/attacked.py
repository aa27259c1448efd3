"""The worst case over attacks: white box on the Keras model, black box on what ships."""

from typing import Any

import numpy as np

from grid.subject import Subject
from qrobust.attacks import LINF, Budget, KerasTarget, TFLiteTarget, projected_gradient, square

STEPS, RESTARTS, QUERIES = 40, 4, 5000
VERSION = (
    f"PGD {STEPS} x {RESTARTS} (cross-entropy, margin, two targeted), then Square, {QUERIES} "
    "queries, on the file (a float cell: on the model); L-inf"
)


def attacked(subject: Subject, *, queries: int = QUERIES) -> dict[str, Any]:
    """Which images no attack moves off their class; an image that is wrong already is not."""
    cell, x, y = subject.cell, subject.x, subject.y
    budget = Budget(cell.settings["epsilon"], LINF)
    model = KerasTarget(subject.model)
    stands = ~projected_gradient(
        model, x, y, budget, steps=STEPS, restarts=RESTARTS, seed=cell.seed
    ).fallen
    shipped = model if subject.tflite is None else TFLiteTarget(subject.tflite)
    rows = np.flatnonzero(stands)
    if len(rows):
        black = square(shipped, x[rows], y[rows], budget, queries=queries, seed=cell.seed)
        stands[rows] &= ~black.fallen
    return {"right": stands.tolist()}
