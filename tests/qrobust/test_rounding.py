"""TensorFlow's fake quantization gives the values and the gradients of the definition."""

import numpy as np
import pytest
import tensorflow as tf

from qrobust.quantizers import rounding


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("exponent", [-9, 0, 4])
def test_fused_operators_are_the_definition_at_every_edge(signed, bits, exponent):
    step = 2.0**exponent
    low = -(2 ** (bits - 1)) * step if signed else 0.0
    high = low + (2**bits - 1) * step
    edges = np.arange(low - 2 * step, high + 2.5 * step, step / 2, np.float32)
    x = np.concatenate([edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)])
    x = x[(x == 0) | (abs(x) > 1e-30)]  # of what is smaller, some operators make zeros
    u = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    found, expected = (
        derivatives(function, x, u, step=step, low=low, high=high)
        for function in (rounding.quantize_clipped, rounding._quantize_clipped)
    )
    for ours, defined in zip(found, expected, strict=True):
        assert np.array_equal(ours, defined)
    assert np.array_equal(found[1], np.where((x >= low) & (x <= high), u, 0))


@pytest.mark.parametrize("low", [-2.0, 0.0])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_types_that_the_fused_operators_lack(dtype, low):
    x = np.array([-3, -1.25, 0.375, 1.5, 9], dtype=tf.as_dtype(dtype).as_numpy_dtype)
    grid = {"step": 0.25, "low": low, "high": low + 3.75}
    y, first, second = derivatives(rounding.quantize_clipped, x, np.ones_like(x), **grid)
    assert np.array_equal(y, np.clip([-3, -1.25, 0.5, 1.5, 9], low, low + 3.75).astype(y.dtype))
    inside = (x >= low) & (x <= low + 3.75)
    assert np.array_equal(first, inside) and np.array_equal(second, np.where(inside, x, 0))


def derivatives(function, x, u, **grid):
    x, u = tf.constant(x), tf.constant(u)
    with tf.GradientTape() as outer:
        outer.watch(u)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x, **grid)
        first = inner.gradient(y, x, output_gradients=u)
    return y.numpy(), first.numpy(), outer.gradient(first, u, output_gradients=x).numpy()
