"""Exact interval propagation: a box of integers in, the least box of every operator out.

Every operator of the integer contract but the table is monotone in each of its inputs or a weighted
sum followed by a monotone rounding, so the ends of its output are reached at corners of its input
box and are computed with the very floor, shift and clamp of the contract; a table reads one number,
all of whose entries are looked at. Each operator alone loses nothing;
what is lost lies between operators, where a box forgets how its numbers depend on each other.

Nothing here is a float decision: sums of products go through float64 matrix products of integers
below ``2**53``, as in :mod:`tflite_export.reference`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from tflite_export import reference
from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    ResizeNearest,
    Table,
    Tensor,
    Transpose,
)
from tflite_export.grid import INT8_MIN, IntArray, round_shift


@dataclass(frozen=True, eq=False)
class Interval:
    """Lower and upper ends of a tensor, stored integers.

    Attributes:
        low: int64[boxes, *shape].
        high: likewise.
    """

    low: IntArray
    high: IntArray


#: From an operator and the intervals of its inputs to that of its output.
Rule: TypeAlias = Callable[[Operator, tuple[Interval, ...]], Interval]


def propagate(graph: IntegerGraph, box: Interval) -> dict[Tensor, Interval]:
    """Return the interval of every tensor of the graph.

    Args:
        graph: with one input.
        box: of the input, stored integers.

    Raises:
        CertifyError: an operator without a rule, by name.
    """
    check_rules(graph)
    (source,) = graph.inputs
    intervals = {source: box}
    for operator in graph.operators:
        inputs = tuple(intervals[tensor] for tensor in operator.inputs)
        intervals[operator.output] = RULES[type(operator)](operator, inputs)
    return intervals


def check_rules(graph: IntegerGraph) -> None:
    """Raise `CertifyError` where an operator has no rule of its own."""
    for operator in graph.operators:
        if type(operator) not in RULES:
            raise CertifyError(
                f"'{operator.output.name}' is a {type(operator).__name__}: there are no bounds "
                "for this operator, so nothing about this file can be proven by intervals"
            )


def accumulator_interval(operator: Linear, source: Interval) -> Interval:
    """Return the ends of the accumulators of a weighted sum, bias included; reached at corners.

    ``low = sum(w+ low_i + w- high_i) + bias = (W (low + high) - |W| (high - low)) / 2 + bias``:
    the difference is even, so that the half is exact.
    """
    signed, magnitude = _halves(operator)
    zero = operator.source.grid.zero_point
    # `accumulate` takes the zero point off once.
    centre = reference.accumulate(signed, source.low + source.high - zero)
    radius = reference.accumulate(magnitude, source.high - source.low + zero)
    return Interval((centre - radius) // 2 + operator.bias, (centre + radius) // 2 + operator.bias)


@lru_cache(maxsize=512)
def _halves(operator: Linear) -> tuple[Linear, Linear]:
    bias = np.zeros_like(operator.bias)
    return (
        replace(operator, bias=bias),
        replace(operator, bias=bias, weights=np.abs(operator.weights)),
    )


def requantized(operator: Linear, acc: IntArray) -> IntArray:
    """Return ``clamp(z + floor(acc * 2**-shift + 1/2))``; rises with ``acc``."""
    grid = operator.output.grid
    return grid.clamp(grid.zero_point + round_shift(acc, operator.shift))


def _linear(operator: Operator, inputs: tuple[Interval, ...]) -> Interval:
    if not isinstance(operator, Linear):
        raise CertifyError(f"'{operator.output.name}' is no weighted sum")
    acc = accumulator_interval(operator, inputs[0])
    return Interval(requantized(operator, acc.low), requantized(operator, acc.high))


def _rising(operator: Operator, inputs: tuple[Interval, ...]) -> Interval:
    """An operator that rises with each of its inputs: ends go to ends."""
    return Interval(
        run_alone(operator, *(interval.low for interval in inputs)),
        run_alone(operator, *(interval.high for interval in inputs)),
    )


def _table(operator: Operator, inputs: tuple[Interval, ...]) -> Interval:
    """The smallest and largest entry between the ends: a table need not rise."""
    if not isinstance(operator, Table):
        raise CertifyError(f"'{operator.output.name}' is no table")
    (source,) = inputs
    rows = np.arange(source.low.shape[-1]) if len(operator.entries) > 1 else 0
    first, last = source.low - INT8_MIN, source.high - INT8_MIN
    # Two spans of 2**level entries cover every entry from first to last.
    level = np.frexp(last - first + 1)[1] - 1
    second = last + 1 - (np.int64(1) << level)
    least, most = _spans(operator, np.minimum), _spans(operator, np.maximum)
    return Interval(
        np.minimum(least[level, rows, first], least[level, rows, second]),
        np.maximum(most[level, rows, first], most[level, rows, second]),
    )


def _spans(operator: Table, extreme: np.ufunc) -> IntArray:
    """The least or largest of the 2**level entries from each on, [level, row, entry]."""
    spans = [operator.entries]
    for level in range(operator.entries.shape[1].bit_length() - 1):
        here = spans[-1].copy()
        width = 1 << level
        here[:, :-width] = extreme(spans[-1][:, :-width], spans[-1][:, width:])
        spans.append(here)
    return np.stack(spans)


def run_alone(operator: Operator, *inputs: IntArray) -> IntArray:
    """Run one operator by the reference."""
    given = dict(zip(operator.inputs, inputs, strict=True))  # a tensor may be read twice
    (output,) = reference.run(_alone(operator), *given.values())
    return output


@lru_cache(maxsize=512)
def _alone(operator: Operator) -> IntegerGraph:
    inputs = tuple(dict.fromkeys(operator.inputs))
    return IntegerGraph(operator.output.name, inputs, (operator.output,), (operator,))


#: One rule for every operator; an operator that is not here is refused.
RULES: dict[type[Operator], Rule] = {
    Conv2D: _linear,
    DepthwiseConv2D: _linear,
    FullyConnected: _linear,
    Add: _rising,
    MaxPool2D: _rising,
    Maximum: _rising,
    Pad: _rising,
    Reshape: _rising,
    Crop: _rising,
    Transpose: _rising,
    ResizeNearest: _rising,
    Concatenate: _rising,
    Table: _table,
}
