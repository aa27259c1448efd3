"""What reads raw inputs without a trained weight in between: exact, ranges known without data."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust import layers
from qrobust.quantization.graph import FloatGraph
from qrobust.quantization.reach import Reach, range_of, union
from qrobust.quantization.simplify import simplify
from tflite_export import check_parity, export
from tflite_export.grid import Grid

L = keras.layers
SHAPE = (8, 8, 3)
X = np.random.default_rng(0).integers(0, 256, (16, *SHAPE)).astype("float32")


def model_of(*chain, shape=SHAPE):
    return keras.Sequential([keras.Input(shape), *chain])


FRONT = {
    "raw": lambda x: x,
    "flip": lambda x: L.RandomFlip()(x),
    "augmentation block": lambda x: model_of(L.RandomFlip(), L.RandomRotation(0.1))(x),
    "noise": lambda x: layers.GridNoise(0)(x),
    "pool": lambda x: L.MaxPooling2D(2)(x),
    "1/256": lambda x: L.Rescaling(1 / 256)(x),
    "from -128": lambda x: L.Rescaling(1.0, -128.0)(x),
    "turned": lambda x: L.Rescaling(-1.0, 255.0)(x),
}
FIRST = {
    "relu": lambda x: L.ReLU()(x),
    "relu6": lambda x: L.Activation("relu6")(x),
    "relu100": lambda x: L.ReLU(100.0)(x),
    "leaky relu": lambda x: L.LeakyReLU(0.25)(x),
    "average": lambda x: L.AveragePooling2D(2)(x),
    "average of nine": lambda x: L.AveragePooling2D(3, 1)(L.ReLU()(x)),
    "relu of average": lambda x: L.ReLU()(L.AveragePooling2D(2)(x)),
    "sum": lambda x: L.Add()([x, L.ReLU()(x)]),
    "join": lambda x: L.Concatenate()([x, L.AveragePooling2D(1)(x)]),
    "greatest": lambda x: L.Maximum()([L.AveragePooling2D(1)(x), L.ReLU(6.0)(x)]),
    "model inside": lambda x: L.AveragePooling2D(2)(model_of(L.ReLU(), shape=x.shape[1:])(x)),
}
PAIRS = [
    (front, first)
    for front in FRONT
    for first in FIRST
    if front in ("raw", "noise") or first in ("relu", "relu6", "sum")
]


def built(front, first):
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, FIRST[first](FRONT[front](inputs)))


def error_of(model, x, **options):
    """Of the exact twin, as a share of the largest value."""
    twin = qrobust.quantize(model, 6, 8, **options)
    assert check_parity(twin, export(twin), x, on=["LiteRT XNNPACK"]).is_exact
    expected, found = (m.predict(x, verbose=0) for m in (model, twin))
    return np.abs(found - expected).max() / np.abs(expected).max()


#: Eight bits, a sign and powers of two: a step is at most a 64th of the largest value, and results
#: are rounded at most three times.
CLOSE = 3 / 64


@pytest.mark.parametrize(("front", "first"), PAIRS)
def test_raw_inputs_are_pixels_and_nothing_is_clipped(front, first):
    assert error_of(built(front, first), X) <= CLOSE


@pytest.mark.parametrize("first", FIRST)
def test_with_data_too(first):
    assert error_of(built("raw", first), X, calibrate=X) <= CLOSE


@pytest.mark.parametrize("first", FIRST)
def test_what_the_input_holds_decides(first):
    assert error_of(built("raw", first), X / 256, input_grid="unit") <= CLOSE
    assert error_of(built("raw", first), (X - 128) / 128, input_grid="signed") <= CLOSE


@pytest.mark.parametrize("first", ["sum", "join", "average"])
def test_with_equal_steps(first):
    assert error_of(built("noise", first), X, equal_steps=True) <= CLOSE


@pytest.mark.parametrize("inner", [L.ReLU, lambda: L.AveragePooling2D(2)])
@pytest.mark.parametrize("order", [1, -1])
def test_a_model_that_is_called_twice_holds_both(inner, order):
    inputs = keras.Input(SHAPE)
    both = [inputs, L.Rescaling(1 / 256)(inputs)][::order]
    shared = model_of(inner())
    model = keras.Model(inputs, L.Concatenate()([shared(x) for x in both]))
    assert error_of(model, X / 256, input_grid="unit") <= CLOSE


def test_a_relu_that_is_called_twice_holds_both():
    inputs, relu = keras.Input(SHAPE), L.ReLU()
    joined = L.Concatenate()([relu(L.Rescaling(1 / 256)(inputs)), relu(inputs)])
    assert error_of(keras.Model(inputs, joined), X / 256, input_grid="unit") <= CLOSE


def test_trained_weights_end_what_is_known():
    inputs = keras.Input((4,))
    dense = L.Dense(2)(inputs)
    model = keras.Model(inputs, L.Add()([dense, dense]))
    reach = Reach(FloatGraph(model), [(0.0, 255.0)])
    assert reach.of(model.outputs[0]) is None and reach.integer_bits([dense]) is None
    source = FloatGraph(model).graph.inputs[0]
    assert reach.integer_bits([source]) == 8 and reach.integer_bits([source, dense]) is None
    assert Reach(FloatGraph(model), [None]).of(source) is None


@pytest.mark.parametrize(("front", "first"), PAIRS)
def test_ranges_hold_the_values_and_zero(front, first):
    model = simplify(built(front, first))
    graph = FloatGraph(model)
    low, high = Reach(graph, [range_of(Grid.pixels())]).of(graph.graph.outputs[0])
    values = model.predict(X, verbose=0)
    assert low <= values.min() + 1e-3 and values.max() - 1e-3 <= high and low <= 0 <= high
    # Not much more than the values: averages reach what pixels do, sums twice that.
    assert high - low <= 2.05 * max(values.max(), 0) - 2.05 * min(values.min(), 0)


def test_unions_and_powers_of_two():
    assert union([(0.0, 1.0), (-3.0, 0.5)]) == (-3.0, 1.0)
    assert union([(0.0, 1.0), None]) is None
    assert range_of(Grid.signed(8, -7)) == (-1.0, 1 - 2**-7)
    inputs = keras.Input((1,))
    graph = FloatGraph(keras.Model(inputs, L.Identity()(inputs)))
    (source,) = graph.graph.inputs
    wanted = {(0, 4): 3, (0, 3.9): 2, (-4, 0): 2, (-4, 3): 2, (-5, 3): 3, (0, 0.25): -1}
    for (low, high), integer in wanted.items():
        assert Reach(graph, [(low, high)]).integer_bits([source]) == integer
    assert Reach(graph, [(0.0, 0.0)]).integer_bits([source]) is None


def test_deep_networks_are_walked_once():
    inputs = x = keras.Input((4,))
    for _ in range(60):
        x = L.ReLU()(L.Add()([x, L.Dense(4)(L.ReLU()(L.Dense(4)(x)))]))
    for _ in range(400):
        x = L.Identity()(x)
    graph = FloatGraph(keras.Model(inputs, x))
    # Walked from the outputs back, these would be 2 ** 60 roads, and deeper than Python's stack.
    assert Reach(graph, [(0.0, 255.0)]).integer_bits([graph.graph.outputs[0]]) is None
