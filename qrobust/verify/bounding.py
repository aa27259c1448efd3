"""Bounds of boxes put to use: which boxes keep a label, and where the others are weakest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrobust.verify.domain import Picture
from qrobust.verify.intervals import Interval, propagate
from qrobust.verify.last_layer import beaten, differences, last_connected, least_difference
from qrobust.verify.linear import LinearBounds
from qrobust.verify.methods import register
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN, Counterexample, Outcome
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Region
from tflite_export.graph import IntegerGraph
from tflite_export.grid import FloatArray, IntArray

INTERVALS, LINEAR = "intervals", "linear"
DEFAULT_BOXES = 2_000
#: Layers up to this size get linear bounds of their own; beyond, rows cost more than they help.
REFINE = 512


@dataclass(frozen=True, eq=False)
class Shown:
    """What linear bounds say about some boxes.

    Attributes:
        proven: bool[boxes].
        slopes: float64[boxes, classes, *shape]: how the bound on each difference of logits falls
            and rises with the input.
        margins: int64[boxes, classes]: what is missing to beat each class, 0 where it is beaten.
    """

    proven: NDArray[np.bool_]
    slopes: FloatArray
    margins: IntArray


def shown_by_intervals(graph: IntegerGraph, box: Interval, label: int) -> NDArray[np.bool_]:
    """Return bool[boxes]: intervals alone prove the label."""
    return np.asarray(beaten(graph, propagate(graph, box), label).all(axis=1))


def shown_by_lines(
    graph: IntegerGraph, box: Interval, label: int, *, refine: int = REFINE
) -> Shown:
    """Bound every difference of logits linearly.

    Args:
        graph: whose output is (classes,).
        box: of the input, stored integers.
        label: to prove.
        refine: see `LinearBounds`.
    """
    bounds = LinearBounds(graph, box, refine=refine)
    (output,) = graph.outputs
    classes = output.size
    last = last_connected(graph)
    before = np.arange(classes) < label
    if last is not None and least_difference(last, label)[1].all():
        layer = differences(last, label)
        tensor, rows, constant = last.source, layer.weights.astype(np.float64), layer.bias
        needed = least_difference(last, label)[0]
    else:
        last = None
        rows = np.zeros((classes, classes))
        rows[:, label] += 1
        rows[np.arange(classes), np.arange(classes)] -= 1
        tensor, constant, needed = output, np.zeros(classes, np.int64), before.astype(np.int64)
    every = np.broadcast_to(rows, (bounds.boxes, *rows.shape))
    lower = bounds.lower(tensor, every, np.broadcast_to(constant, (bounds.boxes, classes)))
    wins = beaten(graph, bounds.intervals, label, None if last is None else lower)
    if last is None:
        wins = wins | (lower >= needed) | (np.arange(classes) == label)
    slopes, _, _ = bounds.to_input(tensor, every, 0)
    return Shown(
        np.asarray(wins.all(axis=1)), slopes, np.where(wins, 0, np.maximum(needed - lower, 1))
    )


def weakest_corners(shown: Shown, low: Picture, high: Picture) -> Picture:
    """Return, for every box and class, the corner where the linear bound is least.

    Args:
        shown: from `shown_by_lines`.
        low: int16[boxes, *shape], grid integers.
        high: likewise.

    Returns:
        int16[boxes, classes, *shape].
    """
    return np.where(shown.slopes > 0, low[:, None], high[:, None]).astype(np.int16)


@register(INTERVALS)
def intervals(problem: Problem, x: Picture, region: Region, budget: int) -> Outcome:
    """One box, by exact intervals: proven or unknown."""
    box = region.box(x, problem.domain)
    label = int(problem.predictor.labels(x[None])[0])
    proven = shown_by_intervals(problem.graph, problem.interval([box]), label)[0]
    return Outcome(PROVEN if proven else UNKNOWN, label, INTERVALS, inferences=1, boxes=1)


@register(LINEAR)
def linear(problem: Problem, x: Picture, region: Region, budget: int) -> Outcome:
    """One box, by linear bounds: proven, refuted at a weak corner, or unknown."""
    box = region.box(x, problem.domain)
    label = int(problem.predictor.labels(x[None])[0])
    shown = shown_by_lines(problem.graph, problem.interval([box]), label)
    if shown.proven[0]:
        return Outcome(PROVEN, label, LINEAR, inferences=1, boxes=1)
    corners = weakest_corners(shown, box.low[None], box.high[None])[0]
    found = first_changed(problem, corners, label)
    status = UNKNOWN if found is None else REFUTED
    return Outcome(
        status, label, LINEAR, inferences=1 + len(corners), boxes=1, counterexample=found
    )


def first_changed(problem: Problem, pictures: Picture, label: int) -> Counterexample | None:
    """Return the first picture that the file itself labels otherwise, or None."""
    labels = problem.predictor.labels(pictures)
    (changed,) = np.nonzero(labels != label)
    if not len(changed):
        return None
    return Counterexample(pictures[changed[0]], int(labels[changed[0]]))
