"""Real weights and biases -> integers on the grids that their neighbours imply."""

from dataclasses import dataclass

import numpy as np

from tflite_export.grid import FloatArray, Grid, IntArray

_LARGEST = 127
# Stock straight-through quantizers compute x + (q - x) in float32, up to 127 * 2**-23 off the grid.
_TOLERANCE = 2.0**-14
_FLOAT32_BITS = 24


@dataclass(frozen=True)
class IntegerWeights:
    """Weights, biases and per-channel exponents of a linear operator.

    Attributes:
        weights: int64, output channels last, at most 127 in size.
        exponents: int64 of shape (channels,); channel ``c`` has the step ``2**exponents[c]``.
        bias: int64 of shape (channels,), on the accumulator's grid.
        problems: why Keras's own float32 result may differ, in words; empty when it cannot.
    """

    weights: IntArray
    exponents: IntArray
    bias: IntArray
    problems: tuple[str, ...]


def integer_weights(
    kernel: FloatArray, bias: FloatArray, *, source_exponent: int, grid: Grid, reach: int
) -> IntegerWeights:
    """Find the integers behind real weights.

    The weights' grid is read off their values: the coarsest power of two per channel of which all
    are multiples. That is exact whatever quantizer made them, and leaves the most room.

    Args:
        kernel: float64, output channels last.
        bias: float64 of shape (channels,).
        source_exponent: log2 of the input's step, in Keras's units.
        grid: the output's grid.
        reach: largest ``|q - zero point|`` of the input.
    """
    problems: list[str] = []
    flat = kernel.reshape(-1, kernel.shape[-1])
    exponents, residual = weight_exponents(flat)
    if residual.max(initial=0.0) > _TOLERANCE:
        off = int(residual.argmax())
        problems.append(
            f"weights of channel {off} are off every 8-bit power-of-two grid "
            f"(residual {residual[off]:.2g} steps)"
        )
    elif residual.max(initial=0.0) > 0:
        problems.append("weights are float32 noise away from their power-of-two grid")
    weights = np.rint(flat * 2.0**-exponents).astype(np.int64)

    # A silent channel has no grid of its own: any will do.
    silent = ~np.any(weights, axis=0)
    exponents = np.where(silent, grid.exponent - source_exponent - 1, exponents)
    shift = grid.exponent - source_exponent - exponents

    # An output finer than the accumulator: finer weights let the bias use the output's grid.
    largest = np.maximum(np.abs(weights).max(axis=0, initial=0), 1)
    room = np.floor(np.log2(_LARGEST / largest)).astype(np.int64)
    refine = np.clip(-shift, 0, room)
    weights, exponents, shift = weights << refine, exponents - refine, shift + refine

    integer_bias, lost = _integer_bias(bias, grid, shift)
    if lost:
        problems.append("the bias has no exact place on a grid this coarse")
    problems += _float32_problems(weights, exponents + source_exponent, bias, reach)
    return IntegerWeights(weights.reshape(kernel.shape), exponents, integer_bias, tuple(problems))


def weight_exponents(kernel: FloatArray) -> tuple[IntArray, FloatArray]:
    """Per channel, the coarsest step's log2 and how far the weights are off it, in steps.

    Args:
        kernel: float64 of shape (weights, channels).
    """
    top = np.frexp(np.abs(kernel).max(axis=0, initial=0.0))[1].astype(np.int64) - 1
    finest = top - (_LARGEST.bit_length() - 1)
    best = finest
    # Values just under a power of two round up to 128 on the finest grid.
    overflow = np.rint(np.abs(kernel).max(axis=0, initial=0.0) * 2.0**-finest) > _LARGEST
    best = best + overflow
    residual = _residual(kernel, best)
    for exponent in range(1, _LARGEST.bit_length()):
        candidate = finest + exponent
        error = _residual(kernel, candidate)
        better = error <= _TOLERANCE
        best = np.where(better, candidate, best)
        residual = np.where(better, error, residual)
    return best, residual


def _residual(kernel: FloatArray, exponents: IntArray) -> FloatArray:
    scaled = kernel * 2.0**-exponents
    return np.asarray(np.abs(scaled - np.rint(scaled)).max(axis=0, initial=0.0))


def _integer_bias(bias: FloatArray, grid: Grid, shift: IntArray) -> tuple[IntArray, bool]:
    """Biases on the accumulator's grid, and whether one lost something that matters.

    Where the output is coarser than the accumulator, a bias between two accumulator values never
    decides a rounding: its floor does the same. Where it is not, the output's rounding of the bias
    alone is exact.
    """
    in_output_steps = bias * 2.0**-grid.exponent
    floored = np.floor(in_output_steps * 2.0 ** np.maximum(shift, 0))
    rounded = np.floor(in_output_steps + 0.5) * 2.0 ** np.minimum(shift, 0)
    lost = bool(np.any((shift < 0) & (rounded != np.rint(rounded))))
    exact = np.where(shift >= 1, floored, np.rint(rounded))
    # Far beyond saturation the size of a bias says nothing more; int32 must hold four times it.
    limit = 2**28
    return np.clip(exact, -limit, limit).astype(np.int64), lost


def _float32_problems(
    weights: IntArray, accumulator_exponents: IntArray, bias: FloatArray, reach: int
) -> list[str]:
    """Why Keras's float32 sum may not be the exact one."""
    problems = []
    sums = np.abs(weights).sum(axis=0) * reach
    if sums.max(initial=0) >= 2**_FLOAT32_BITS:
        problems.append(f"accumulators of up to {sums.max()} exceed float32's 24 bits")
    mantissa, exponent = np.frexp(bias)
    integral = np.rint(mantissa * 2.0**_FLOAT32_BITS).astype(np.int64)
    trailing = np.where(integral == 0, 0, np.log2(np.maximum(integral & -integral, 1)))
    lowest = np.where(bias == 0, accumulator_exponents, exponent - _FLOAT32_BITS + trailing)
    lowest = np.minimum(lowest, accumulator_exponents)
    largest = sums * 2.0**accumulator_exponents + np.abs(bias)
    if np.any(largest * 2.0**-lowest >= 2**_FLOAT32_BITS):
        problems.append("the bias is finer than float32 can add to the sum; quantize it")
    return problems
