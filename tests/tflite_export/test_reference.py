"""The reference against TensorFlow's float64 operators: another implementation of the same sums."""

import numpy as np
import pytest
import tensorflow as tf

from tflite_export import reference
from tflite_export.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Maximum,
    MaxPool2D,
    Pad,
    Reshape,
    Tensor,
)
from tflite_export.grid import Grid

PIXELS = Grid.pixels()
WIDE = Grid.signed(8, 3)


def run(operator, *arrays):
    graph = IntegerGraph("g", operator.inputs, (operator.output,), (operator,))
    return reference.run(graph, *arrays)[0]


def rounded(real, grid):
    """Half up, through float64: exact for these sizes."""
    q = np.floor(np.asarray(real) / grid.step + 0.5) + grid.zero_point
    return np.clip(q, grid.minimum, grid.maximum)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("strides", "dilation"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 1))]
)
def test_conv2d(padding, strides, dilation):
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (3, 9, 8, 2))
    weights = rng.integers(-31, 32, (4, 3, 2, 2))
    exponents, bias = np.array([-5, -6, -4, -5]), rng.integers(-500, 500, 4)
    real_weights = weights * 2.0 ** exponents[:, None, None, None]
    y = tf.nn.conv2d(
        tf.constant(PIXELS.dequantize(x)),
        real_weights.transpose(1, 2, 3, 0),
        strides,
        padding,
        dilations=dilation,
    )
    operator = Conv2D(
        inputs=(Tensor("x", (9, 8, 2), PIXELS),),
        output=Tensor("y", tuple(y.shape[1:]), WIDE),
        weights=weights,
        weight_exponents=exponents,
        bias=bias,
        strides=strides,
        padding=padding,
        dilation=dilation,
    )
    expected = rounded(y.numpy() + bias * 2.0**exponents, WIDE)
    assert np.array_equal(run(operator, x), expected)
    assert len(np.unique(expected)) > 20


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_depthwise_conv2d(multiplier, padding):
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 128, (2, 7, 7, 3))
    weights = rng.integers(-31, 32, (1, 3, 3, 3 * multiplier))
    exponents = rng.integers(-5, -2, 3 * multiplier)
    bias = rng.integers(-99, 99, 3 * multiplier)
    real_weights = (weights * 2.0**exponents).reshape(3, 3, 3, multiplier)
    y = tf.nn.depthwise_conv2d(
        tf.constant(PIXELS.dequantize(x)), real_weights, (1, 2, 2, 1), padding
    )
    operator = DepthwiseConv2D(
        inputs=(Tensor("x", (7, 7, 3), PIXELS),),
        output=Tensor("y", tuple(y.shape[1:]), WIDE),
        weights=weights,
        weight_exponents=exponents,
        bias=bias,
        strides=(2, 2),
        padding=padding,
    )
    assert np.array_equal(run(operator, x), rounded(y.numpy() + bias * 2.0**exponents, WIDE))


def test_fully_connected_on_the_last_axis():
    rng = np.random.default_rng(2)
    x = rng.integers(-128, 128, (5, 4, 6))
    weights, bias = rng.integers(-31, 32, (3, 6)), rng.integers(-99, 99, 3)
    exponents = np.array([-4, -4, -3])
    operator = FullyConnected(
        inputs=(Tensor("x", (4, 6), PIXELS),),
        output=Tensor("y", (4, 3), WIDE),
        weights=weights,
        weight_exponents=exponents,
        bias=bias,
    )
    real = (PIXELS.dequantize(x) @ weights.T + bias) * 2.0**exponents
    assert np.array_equal(run(operator, x), rounded(real, WIDE))


@pytest.mark.parametrize("exponents", [(-3, -5), (0, 0), (-6, -2)])
def test_add_of_two_steps_onto_a_relu_grid(exponents):
    rng = np.random.default_rng(3)
    a, b = rng.integers(-128, 128, (2, 500, 7))
    grids = [Grid.signed(8, e) for e in exponents]
    out = Grid.unsigned(4, -2)
    operator = Add(
        inputs=tuple(Tensor(n, (7,), g) for n, g in zip("ab", grids, strict=True)),
        output=Tensor("y", (7,), out),
    )
    real = grids[0].dequantize(a) + grids[1].dequantize(b)
    assert np.array_equal(run(operator, a, b), rounded(real, out))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_max_pool(padding):
    q = np.random.default_rng(4).integers(-128, 128, (2, 7, 6, 3))
    expected = tf.nn.max_pool2d(q.astype("float64"), (3, 2), (2, 2), padding).numpy()
    operator = MaxPool2D(
        inputs=(Tensor("x", (7, 6, 3), PIXELS),),
        output=Tensor("y", expected.shape[1:], PIXELS),
        pool=(3, 2),
        strides=(2, 2),
        padding=padding,
    )
    assert np.array_equal(run(operator, q), expected)


def test_pad_reshape_and_maximum_move_integers():
    q = np.arange(12).reshape(1, 2, 2, 3)
    x = Tensor("x", (2, 2, 3), PIXELS)
    padded = Pad(
        inputs=(x,), output=Tensor("p", (3, 2, 3), PIXELS), paddings=((1, 0), (0, 0), (0, 0))
    )
    assert run(padded, q)[0, 0].tolist() == [[-128] * 3] * 2
    flat = Reshape(inputs=(x,), output=Tensor("r", (12,), PIXELS))
    assert run(flat, q)[0].tolist() == list(range(12))
    clip = Maximum(inputs=(x,), output=Tensor("m", (2, 2, 3), Grid(0, 5, 5)), bound=5)
    assert run(clip, q).min() == 5


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.zeros((1, 4), np.int64), r"\(batch, 3\)"),
        (np.zeros((1, 3)), "float64"),
        (np.full((1, 3), 300), "300"),
    ],
)
def test_bad_inputs_are_refused(value, says):
    graph = IntegerGraph("g", (Tensor("x", (3,), PIXELS),), (), ())
    with pytest.raises(ValueError, match=says):
        reference.run(graph, value)
