"""Quantizers against exact fractions, and stock QKeras where both must agree."""

from fractions import Fraction
from math import floor

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qrobust.quantizers import (
    Binary,
    FixedPoint,
    PowerOfTwoWeights,
    QuantizedBits,
    QuantizedRelu,
    Ternary,
)

DYADIC = st.integers(-(2**12), 2**12).map(lambda i: i * 2.0**-6)


def array(x):
    return keras.ops.convert_to_numpy(x)


def exactly(x, step, low, high):
    q = floor(Fraction(x) / Fraction(step) + Fraction(1, 2)) * Fraction(step)
    return float(min(max(q, Fraction(low)), Fraction(high)))


@settings(deadline=None)
@given(x=DYADIC, bits=st.integers(1, 8), integer=st.integers(-2, 4))
def test_quantized_relu_rounds_half_up(x, bits, integer):
    quantizer = QuantizedRelu(bits, integer)
    step = 2.0 ** (integer - bits)
    expected = exactly(x, step, 0, 2.0**integer - step)
    assert array(quantizer(np.float32([x])))[0] == expected


@settings(deadline=None)
@given(x=DYADIC, bits=st.integers(2, 8), integer=st.integers(-2, 4), symmetric=st.booleans())
def test_quantized_bits_rounds_half_up(x, bits, integer, symmetric):
    quantizer = QuantizedBits(bits, integer, symmetric)
    step = 2.0 ** (integer - bits + 1)
    expected = exactly(x, step, -(2.0**integer) + symmetric * step, 2.0**integer - step)
    assert array(quantizer(np.float32([x])))[0] == expected


@pytest.mark.parametrize(
    ("ours", "stock"),
    [
        (QuantizedRelu(4, 1), qkeras.quantized_relu(4, 1)),
        (QuantizedBits(5, 1), qkeras.quantized_bits(5, 1, symmetric=0, alpha=1)),
        (QuantizedBits(5, 1, True), qkeras.quantized_bits(5, 1, symmetric=1, alpha=1)),
    ],
    ids=str,
)
def test_equals_stock_qkeras_but_on_ties(ours, stock):
    x = np.random.default_rng(0).normal(0, 2, 10_000).astype("float32")
    np.testing.assert_allclose(array(ours(x)), array(stock(x)), atol=1e-6)


def gradient(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()


def test_the_gradient_passes_inside_and_stops_outside():
    x = np.float32([-0.1, 0.1, 1.8, 1.9])
    assert gradient(QuantizedRelu(4, 1), x).tolist() == [0, 1, 1, 0]
    assert array(QuantizedRelu(4, 1).derivative(x)).tolist() == [0, 1, 1, 0]
    x = np.float32([-2.1, -1.9, 1.8, 2.1])
    assert gradient(QuantizedBits(4, 1), x).tolist() == [0, 1, 0, 0]
    assert gradient(PowerOfTwoWeights(4), np.float32([[0.3], [5.0]])).tolist() == [[1], [1]]
    assert gradient(FixedPoint(), np.float32([0.3])).tolist() == [1]


@settings(deadline=None, max_examples=50)
@example(seed=1098958, bits=2, scale="max")
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.integers(2, 8),
    scale=st.sampled_from(["max", "least_squares"]),
)
def test_weights_lie_exactly_on_their_grid(seed, bits, scale):
    rng = np.random.default_rng(seed)
    kernel = (rng.normal(0, 1, (3, 3, 2, 4)) * 2.0 ** rng.integers(-4, 4, 4)).astype("float32")
    quantizer = PowerOfTwoWeights(bits, scale)
    steps = array(quantizer.steps(kernel))
    assert steps.shape == (1, 1, 1, 4)
    assert np.all(np.frexp(steps)[0] == 0.5)
    integers = array(quantizer(kernel)) / steps
    assert np.array_equal(integers, np.rint(integers))
    assert np.abs(integers).max() <= 2 ** (bits - 1) - 1
    if scale == "max":
        # No step is finer than 1/256 of the coarsest: a channel that small rounds to it.
        in_effect = np.maximum(steps, steps.max() / 256)
        assert np.all(np.abs(array(quantizer(kernel)) - kernel) <= in_effect / 2)


def squared_error(quantizer, kernel):
    return np.square(array(quantizer(kernel)) - kernel).sum()


def test_least_squares_is_never_worse_than_max():
    kernel = np.random.default_rng(0).standard_t(3, (5, 5, 8, 16)).astype("float32")
    for bits in (2, 3, 4, 6):
        best = squared_error(PowerOfTwoWeights(bits, "least_squares"), kernel)
        assert best <= squared_error(PowerOfTwoWeights(bits, "max"), kernel)


def test_depthwise_channels_are_the_last_two_axes():
    kernel = np.broadcast_to(np.float32(2.0 ** np.arange(-4, 4)).reshape(4, 2), (3, 3, 4, 2))
    steps = array(PowerOfTwoWeights(4, channel_axes=(-2, -1)).steps(kernel))
    assert steps.shape == (1, 1, 4, 2)
    assert len(np.unique(steps)) == 8


def test_ternary_has_three_values_a_channel():
    kernel = np.random.default_rng(0).normal(0, 1, (400, 3)).astype("float32") * [0.1, 1, 10]
    quantized = array(Ternary()(kernel.astype("float32")))
    for channel in quantized.T:
        assert len(np.unique(channel)) == 3
        assert 0.3 < np.mean(channel == 0) < 0.7


def test_a_channel_far_below_the_others_is_silent():
    kernel = np.float32([[1.0, 2.0**-14], [0.5, 2.0**-15]])
    assert array(PowerOfTwoWeights(4)(kernel))[:, 1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: QuantizedRelu(9, 0), "bits=9"),
        (lambda: QuantizedBits(1, 0), "bits=1"),
        (lambda: PowerOfTwoWeights(9), "bits=9"),
        (lambda: PowerOfTwoWeights(4, "mean"), "scale='mean'"),
        (lambda: FixedPoint(140), "140"),
        (lambda: FixedPoint(1.5), "1.5"),
    ],
)
def test_bad_arguments_are_echoed(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_binary_weights_have_one_size_a_channel_and_two_signs():
    kernel = np.random.default_rng(0).normal(0, [0.1, 1, 7], (50, 3)).astype("float32")
    kernel[0] = 0
    y = np.asarray(Binary()(kernel))
    steps = np.abs(y).max(0)
    np.testing.assert_array_equal(y, np.where(kernel < 0, -steps, steps))
    np.testing.assert_array_equal(np.log2(steps) % 1, 0)
    # Nearest power of two of the mean magnitude, on a logarithmic scale.
    ratio = np.log2(steps / np.abs(kernel).mean(0))
    assert np.all(np.abs(ratio) <= 0.5)
