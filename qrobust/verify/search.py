"""Searching a box for an input with another label: projected gradient descent in NumPy.

The gradient is that of the integer graph with straight-through rounding: each staircase counts as
its slope where it does not saturate, and as flat where it does. The file itself judges.
"""

from __future__ import annotations

import numpy as np

from qrobust.verify.bounding import first_changed
from qrobust.verify.domain import Integers, Picture
from qrobust.verify.intervals import Interval
from qrobust.verify.linear import LinearBounds
from qrobust.verify.outcome import Counterexample
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Box
from qrobust.verify.staircase import Lines, Staircase
from tflite_export.graph import IntegerGraph
from tflite_export.grid import FloatArray

_STEPS = 12
_RESTARTS = 2


class Gradients(LinearBounds):
    """Straight-through gradients at points, by the machinery of linear bounds.

    Args:
        graph: with one input.
        points: int64[n, *shape], stored integers.
    """

    def __init__(self, graph: IntegerGraph, points: Integers) -> None:
        super().__init__(graph, Interval(points, points))

    def _relaxed(self, steps: Staircase, acc: Interval) -> tuple[Lines, Lines]:
        """The slope of the stairs, flat where they saturate."""
        value = steps.at(acc.low)
        moving = (value > steps.minimum) & (value < steps.maximum)
        slope = moving * np.exp2(-np.clip(steps.shift, -40, 50).astype(float))
        line = Lines(slope, np.zeros_like(slope))
        return line, line

    def of(self, label: int, others: Integers) -> FloatArray:
        """Gradient of ``logit[label] - logit[other]`` by the input, float64[n, *shape]."""
        (output,) = self.graph.outputs
        rows = np.zeros((self.boxes, 1, *output.shape))
        rows[:, 0, label] += 1
        rows[np.arange(self.boxes), 0, others] -= 1
        return self.to_input(output, rows, 0)[0][:, 0]


def descend(
    problem: Problem,
    start: Picture,
    box: Box,
    label: int,
    *,
    steps: int = _STEPS,
    restarts: int = _RESTARTS,
    seed: int = 0,
) -> tuple[Counterexample | None, int]:
    """Search a box for an input that the file does not label ``label``.

    Every other class is aimed at, from ``start`` and from random corners.

    Args:
        problem: the file.
        start: int16[*shape], in the box.
        box: grid integers.
        label: of ``start``.
        steps: of each descent.
        restarts: from random corners of the box.
        seed: of those.

    Returns:
        The first one found, or None, and how often the file ran.
    """
    rng = np.random.default_rng(seed)
    others = np.array([c for c in range(problem.file.classes) if c != label])
    runs = 0
    middle = (box.low.astype(np.float64) + box.high) / 2
    reach = (box.high.astype(np.float64) - box.low) / 2
    for restart in range(restarts + 1):
        if restart == 0:
            points = np.repeat(start[None].astype(np.float64), len(others), axis=0)
        else:
            signs = rng.choice([-1.0, 1.0], (len(others), *box.low.shape))
            points = middle + reach * signs
        for step in range(steps):
            whole = np.rint(points).astype(np.int16)
            runs += len(whole)
            found = first_changed(problem, whole, label)
            if found is not None:
                return found, runs
            slopes = Gradients(problem.graph, problem.stored(whole)).of(label, others)
            length = 1.0 if step == 0 else 0.5 * (1 - step / steps)
            points = points - 2 * reach * length * np.sign(slopes)
            points = np.clip(points, box.low, box.high)
    return None, runs
