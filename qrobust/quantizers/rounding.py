"""Straight-through rounding onto power-of-two grids: the one place where training rounds.

All functions round half up, ``floor(x + 1/2)``, as the exported integers do, and are exact: a power
of two scales a float32 without error. Their results lie on the grid itself; the usual
``x + stop_gradient(q - x)`` would land a float32 rounding away from it.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


def straight_through(quantized: Any, x: Any) -> Any:
    """``quantized`` going forward, the gradient of ``x`` going back.

    ``x - stop_gradient(x)`` is exactly zero, so the result is exactly ``quantized``.
    """
    return ops.stop_gradient(quantized) + (x - ops.stop_gradient(x))


def quantize_clipped(x: Any, *, step: float, low: float, high: float) -> Any:
    """``clip(step * floor(x / step + 1/2), low, high)`` with a straight-through gradient.

    The gradient is 1 where ``low <= x <= high`` and 0 elsewhere.

    Args:
        x: tensor; float32 where it is to be exact.
        step: a power of two.
        low: smallest value of the grid.
        high: largest value of the grid.
    """
    x = ops.convert_to_tensor(x)
    levels = round((high - low) / step) + 1
    # TensorFlow's fake quantization, where it has these levels, a zero among them and the type:
    # quantized training pays for memory traffic.
    fake = low <= 0 <= high and (low / step).is_integer() and levels in _FAKE_QUANT_LEVELS
    fake = fake and keras.backend.standardize_dtype(x.dtype) == "float32"
    if keras.backend.backend() == "tensorflow" and fake:
        return _fake_quantized(x, step, low, high, bits=levels.bit_length() - 1)
    return _quantize_clipped(x, step, low, high)


_FAKE_QUANT_LEVELS = {2**bits for bits in range(2, 9)}


def _fake_quantized(x: Any, step: float, low: float, high: float, *, bits: int) -> Any:
    """TensorFlow's operators, with the gradient of the gradient that they lack.

    A penalty on a Jacobian asks for it; without, layers behind the first quantizer would get none.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def quantized(x: Any) -> Any:
        if low == 0:
            y = tf.quantization.fake_quant_with_min_max_args(x, low, high, num_bits=bits)
        else:  # It subtracts `low` before it rounds, which is exact for zero only.
            y = _rounded(x, step, low, high)
        return y, lambda upstream: masked(upstream, x)

    @tf.custom_gradient
    def masked(upstream: Any, x: Any) -> Any:
        inside = tf.quantization.fake_quant_with_min_max_args_gradient(
            upstream, x, low, high, num_bits=bits
        )
        # Linear in what comes from above, and constant in x almost everywhere.
        return inside, lambda second: (masked(second, x), None)

    return quantized(x)


def _rounded(x: Any, step: float, low: float, high: float) -> Any:
    return ops.floor(ops.clip(x, low, high) * (1 / step) + 0.5) * step


def _quantize_clipped(x: Any, step: float, low: float, high: float) -> Any:
    @ops.custom_gradient
    def quantized(x: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            upstream = args[0] if upstream is None else upstream
            inside = ops.logical_and(x >= low, x <= high)
            return ops.where(inside, upstream, ops.zeros_like(upstream))

        return _rounded(x, step, low, high), gradient

    return quantized(x)


def quantize_with_steps(x: Any, steps: Any, *, largest: int) -> Any:
    """``steps * clip(floor(x / steps + 1/2), -largest, largest)``; the gradient passes unchanged.

    Args:
        x: float32 weights.
        steps: powers of two that broadcast against ``x``.
        largest: the largest integer.
    """
    x = ops.convert_to_tensor(x)
    return straight_through(ops.clip(ops.floor(x / steps + 0.5), -largest, largest) * steps, x)


# Steps that cover every kernel whose squares float32 holds: units are the user's.
_SMALLEST_EXPONENT, _LARGEST_EXPONENT = -64, 48


def covering_step(magnitude: Any, *, largest: int) -> Any:
    """The smallest power of two ``s`` with ``magnitude <= largest * s``, elementwise.

    Found by exact comparisons: a logarithm could differ by one ulp between eager and compiled code,
    and so choose another grid than the one that was exported.
    """
    exponents = range(_SMALLEST_EXPONENT, _LARGEST_EXPONENT)
    bounds = ops.convert_to_tensor([largest * 2.0**e for e in exponents], dtype="float32")
    steps = ops.convert_to_tensor(
        [2.0**e for e in range(_SMALLEST_EXPONENT, _LARGEST_EXPONENT + 1)], dtype="float32"
    )
    exceeded = ops.cast(ops.expand_dims(magnitude, -1) > bounds, "int32")
    return ops.take(steps, ops.sum(exceeded, axis=-1))


def other_axes(rank: int, channel_axes: Sequence[int]) -> tuple[int, ...]:
    """All axes of a tensor but the given ones, which may be negative."""
    kept = {axis % rank for axis in channel_axes}
    return tuple(axis for axis in range(rank) if axis not in kept)
