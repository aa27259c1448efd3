"""When bounds prove a label: on the logits, or on differences of the last accumulators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qrobust.verify.intervals import Interval, accumulator_interval
from tflite_export.graph import FullyConnected, IntegerGraph, Tensor
from tflite_export.grid import IntArray, round_shift

_FURTHEST = 12


def beaten_on_logits(logits: Interval, label: int) -> NDArray[np.bool_]:
    """Return bool[boxes, classes]: classes that certainly lose against ``label``.

    ``low_A > high_c`` for c < A, ``low_A >= high_c`` for c > A: ties go to the lowest index.
    The label's own entry is True.
    """
    classes = np.arange(logits.low.shape[1])
    own = logits.low[:, label, None]
    wins = np.where(classes < label, own > logits.high, own >= logits.high)
    return np.asarray(wins | (classes == label))


def last_connected(graph: IntegerGraph) -> FullyConnected | None:
    """Return the layer that writes the logits, where it is one whose differences can be bounded.

    Its classes have one step, see `on_common_step`.
    """
    last = graph.operators[-1] if graph.operators else None
    if not isinstance(last, FullyConnected) or last.output is not graph.outputs[0]:
        return None
    return on_common_step(last) if len(last.source.shape) == 1 else None


def on_common_step(last: FullyConnected) -> FullyConnected:
    """Return the same function with the same shift k for every class.

    ``floor(acc / 2**s + 1/2) = floor(acc * 2**(k - s) / 2**k + 1/2)`` with k the largest shift.
    Shifts that lie further apart than `_FURTHEST` are left alone: sums have to stay below 2**53.
    """
    more = last.shift.max() - last.shift
    if not more.any() or more.max() > _FURTHEST:
        return last
    return replace(
        last,
        weights=last.weights << more[:, None],
        bias=last.bias << more,
        weight_exponents=last.weight_exponents - more,
    )


def differences(last: FullyConnected, label: int) -> FullyConnected:
    """Return the layer whose accumulator c is ``acc_label - acc_c``."""
    return replace(
        last,
        weights=last.weights[label] - last.weights,
        bias=last.bias[label] - last.bias,
    )


def least_difference(last: FullyConnected, label: int) -> tuple[IntArray, NDArray[np.bool_]]:
    r"""Return what ``acc_A - acc_c`` must reach, int64[classes], and where that says anything.

    With ``y = clamp(z + floor(acc / 2**k + 1/2))`` and one k for both,

    * ``acc_A >= acc_c`` gives ``y_A >= y_c``, enough for c > A;
    * ``acc_A - acc_c >= max(1, 2**k)`` gives ``y_A >= y_c + 1`` before the clamp, enough for
      c < A where the clamp leaves the difference alone: see `clamp_allows`.
    """
    classes = np.arange(len(last.bias))
    least = np.left_shift(1, np.clip(last.shift, 0, 62))
    return np.where(classes < label, least, 0), last.shift == last.shift[label]


def clamp_allows(last: FullyConnected, label: int, acc: Interval) -> NDArray[np.bool_]:
    """Return bool[boxes, classes]: a difference before the clamp is one after it.

    For c > A always. For c < A if c stays under the upper clamp and A above the lower one: then
    ``y_A > y_c`` follows from ``y_A >= y_c + 1`` before clamping.
    """
    grid = last.output.grid
    high = grid.zero_point + round_shift(acc.high, last.shift)
    low = grid.zero_point + round_shift(acc.low, last.shift)
    classes = np.arange(len(last.bias))
    inside = (high < grid.maximum) & (low[:, label, None] > grid.minimum)
    return np.asarray((classes > label) | inside)


def beaten(
    graph: IntegerGraph,
    intervals: dict[Tensor, Interval],
    label: int,
    lower: IntArray | None = None,
) -> NDArray[np.bool_]:
    """Return bool[boxes, classes]: classes that certainly lose, by whichever argument shows it.

    Args:
        graph: whose output is (classes,).
        intervals: of every tensor, from `propagate`.
        label: A.
        lower: int64[boxes, classes], lower bounds of ``acc_A - acc_c`` from elsewhere; those of
            intervals are used beside them.
    """
    shown = beaten_on_logits(intervals[graph.outputs[0]], label)
    last = last_connected(graph)
    if last is None:
        return shown
    source = intervals[last.source]
    bound = accumulator_interval(differences(last, label), source).low
    if lower is not None:
        bound = np.maximum(bound, lower)
    least, comparable = least_difference(last, label)
    allowed = clamp_allows(last, label, accumulator_interval(last, source))
    return shown | ((bound >= least) & comparable & allowed)
