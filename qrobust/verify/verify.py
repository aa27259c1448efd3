"""One call for all proofs."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qrobust.certify.file.model_file import Model

# Methods register themselves when their modules load.
from qrobust.verify import bounding, branching, exhaustion, pixels, program, smoothed
from qrobust.verify.exhaustion import DEFAULT_BUDGET
from qrobust.verify.methods import check_budget, find
from qrobust.verify.outcome import Outcome
from qrobust.verify.problem import Problem
from qrobust.verify.regions import FamilyOf, PixelChanges, Region


def verify(
    model: Model | Problem,
    x: NDArray[Any],
    region: Region,
    method: str | None = None,
    *,
    budget: int | None = None,
) -> Outcome:
    """Prove that the file's label of ``x`` holds everywhere in a region, or refute it.

    "Proven" is certain: no sampling, no error probability. It is about the file's integer
    function where the method bounds the integer graph, and about the kernels that ran where the
    file lies outside the integer contract. "Unknown" says nothing.

    Two kinds of methods say something else. ``milp`` asks HiGHS, which computes in floats with
    tolerances: for tables, no proof. ``smoothing``, ``splits``, ``bands``, ``blocks`` and
    ``ablation`` are about the smoothed classifier that the file's spec describes, ``smoothing`` but
    for a probability of .001 (`qrobust.verify.smoothed`). Journals take neither.

    Args:
        model: path or bytes of a ``.tflite``, or a `Problem`, which saves opening it again.
        x: one input; integers on the input grid, or floats that the grid quantizes.
        region: a `Box`, `LinfBall`, `PixelChanges` or `FamilyOf`.
        method: one of `METHODS`; by default what `default_method` says.
        budget: runs of the file for enumeration, boxes for bounds, votes for smoothing, seconds a
            class for milp.

    Raises:
        CertifyError: a bad input, region, method or budget, or a file without bounds.
    """
    problem = model if isinstance(model, Problem) else Problem(model)
    name = default_method(region) if method is None else method
    chosen = check_budget(default_budget(name) if budget is None else budget)
    picture = smoothed.picture(problem, x) if name in smoothed.NAMES else problem.picture(x)
    return find(name)(problem, picture, region, chosen)


def default_method(region: Region) -> str:
    """Enumeration for families, subsets for changed pixels, branching for boxes."""
    if isinstance(region, PixelChanges):
        return pixels.METHOD
    return exhaustion.METHOD if isinstance(region, FamilyOf) else branching.METHOD


def default_budget(method: str) -> int:
    """Return the budget of a method where none is given."""
    if method == pixels.METHOD:
        return pixels.DEFAULT_BUDGET
    if method == program.METHOD:
        return program.SECONDS
    if method in smoothed.NAMES:
        return smoothed.DEFAULT_VOTES if method == smoothed.GAUSSIAN else smoothed.MOST_VIEWS
    return DEFAULT_BUDGET if method == exhaustion.METHOD else bounding.DEFAULT_BOXES
