"""Gives the rows of a fully connected layer one scale where int8 has room for it.

Rows on coarser steps are shifted onto the finest one: the same integers from larger weights. Older
NPU compilers leave fully connected layers of one scale a row to the CPU.
"""

from dataclasses import replace

import numpy as np

from tflite_export.graph import FullyConnected, IntegerGraph, Operator
from tflite_export.passes.tie_free import LARGEST_WEIGHT

# XNNPACK requantizes in float32, which holds every accumulator of 24 bits.
_LARGEST = 2**24 // 4 - 1


def one_scale(graph: IntegerGraph) -> IntegerGraph:
    """Run before ``tie_free``, which multiplies weights by four."""
    return graph.with_operators(tuple(_shifted(operator) for operator in graph.operators))


def _shifted(operator: Operator) -> Operator:
    if not isinstance(operator, FullyConnected):
        return operator
    finest = operator.weight_exponents.min()
    shifts = operator.weight_exponents - finest
    if not shifts.any() or shifts.max() > LARGEST_WEIGHT.bit_length():
        return operator
    weights = operator.weights << shifts[:, None]
    if np.abs(weights).max() > LARGEST_WEIGHT:
        return operator
    shifted = replace(
        operator,
        weights=weights,
        weight_exponents=np.full_like(operator.weight_exponents, finest),
        bias=operator.bias << shifts,
        row_shifts=shifts,
    )
    # The tie-free scaling makes accumulators larger once more.
    return shifted if shifted.accumulator_bound.max() < _LARGEST else operator
