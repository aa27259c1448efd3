"""Leaning scales: how a file writes a sum's step so that its ties round the same way everywhere.

LiteRT and TFLM round a tie of ADD up, ONNX Runtime, tract and TVM to the even neighbour. Written as
``step * (1 - 2**-13)``, the output's scale puts every positive tie above the half and no other sum
across one; negative ones are cut by the fused RELU. All that follows carries the factor, biases
included, so that every other ratio of scales stays an exact power of two; the ``n``-th sum of a
path writes ``1 - n * 2**-13``. The grids, and so the integers, are those of the steps.
"""

from math import frexp

from tflite_export.grid import Grid

#: One lean is this share of a scale.
PARTS = 2**13
#: Beyond, RELU_N1_TO_1 would clip at another integer, since it divides 1 by the scale.
MOST = 31
# Finer sums lie so close to a tie that the factor would take them across.
_FINEST = 13
# XNNPACK gives both operands' multipliers one binary point, and a far finer operand few bits.
_SPREAD = 7


def leaning_scale(exponent: int, lean: int) -> float:
    """The scale that a file states for a step, ``2**exponent * (1 - lean * 2**-13)``, exact."""
    return 2.0**exponent * (1 - lean / PARTS)


def read_scale(scale: float) -> tuple[int, int] | None:
    """The exponent and the lean of a scale; None where it is no such number.

    Every scale has one meaning: a factor of at least ``1 - 31 * 2**-13`` never reaches the next
    power of two.
    """
    mantissa, exponent = frexp(scale)
    if mantissa == 0.5:
        return exponent - 1, 0
    lean = (1 - mantissa) * PARTS
    if lean not in range(1, MOST + 1):
        return None
    return exponent, int(lean)


def rounds(first: Grid, second: Grid, total: Grid) -> bool:
    """Whether a sum of two grids can lie between two integers of a third."""
    return min(first.exponent, second.exponent) < total.exponent


def may_lean(first: Grid, second: Grid, total: Grid) -> bool:
    """Whether a sum may be written one lean below its operands without changing an integer.

    It rounds, is clipped at zero, and ``bits + log2(step_out / finest step_in)`` is 13 at most, 12
    where the operands' steps lie more than ``2**7`` apart: half up and half to even then agree on
    every pair of integers, and so do LiteRT's kernels and TFLM.
    """
    finest = min(first.exponent, second.exponent)
    fraction_bits = total.exponent - finest
    spread = max(first.exponent, second.exponent) - finest
    most = _FINEST if spread <= _SPREAD else _FINEST - 1
    return fraction_bits > 0 and total.is_unsigned and total.bits + fraction_bits <= most
