"""What reads raw inputs without a weight in between: exact on pixels, ranges known without data."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust.quantization.graph import FloatGraph
from qrobust.quantization.reach import Reach
from tflite_export import check_parity, export
from tflite_export.grid import Grid

L = keras.layers
X = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype("float32")
FRONT = {
    "raw": [],
    "flip": [L.RandomFlip],
    "pool": [lambda: L.MaxPooling2D(2)],
    "1/256": [lambda: L.Rescaling(1 / 256)],
}
FIRST = {
    "relu": lambda x: L.ReLU()(x),
    "relu6": lambda x: L.Activation("relu6")(x),
    "relu100": lambda x: L.ReLU(100.0)(x),
    "average": lambda x: L.AveragePooling2D(2)(x),
    "average of relu": lambda x: L.AveragePooling2D(2)(L.ReLU()(x)),
    "relu of average": lambda x: L.ReLU()(L.AveragePooling2D(2)(x)),
    "sum": lambda x: L.Add()([x, L.ReLU()(x)]),
    "join": lambda x: L.Concatenate()([x, L.AveragePooling2D(1)(x)]),
    "nested": lambda x: keras.Sequential([keras.Input(x.shape[1:]), L.ReLU()])(x),
}
PAIRS = [(front, first) for front in FRONT for first in FIRST]


def built(front, first):
    inputs = x = keras.Input(X.shape[1:])
    for layer in FRONT[front]:
        x = layer()(x)
    return keras.Model(inputs, FIRST[first](x))


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize(("front", "first"), PAIRS)
def test_raw_inputs_are_pixels_and_nothing_is_clipped(front, first, data):
    model = built(front, first)
    twin = qrobust.quantize(model, 6, 8, calibrate=X if data else None)
    assert check_parity(twin, export(twin), X, on=["LiteRT XNNPACK"]).is_exact
    expected, found = (m.predict(X, verbose=0) for m in (model, twin))
    # Eight bits, a sign and powers of two: a step is at most a 64th of the largest value, and
    # results are rounded at most three times.
    assert np.abs(found - expected).max() <= 3 * np.abs(expected).max() / 64


@pytest.mark.parametrize(("front", "first"), PAIRS)
def test_ranges_hold_the_extremes(front, first):
    if first == "nested":
        return  # a model inside has a graph of its own
    model = built(front, first)
    reach = Reach(FloatGraph(model), [Grid.pixels()])
    low, high = reach.of(model.outputs[0])
    ends = [model.predict(np.full((1, *X.shape[1:]), v, "float32"), verbose=0) for v in (0, 255)]
    assert (low, high) == (np.min(ends), np.max(ends))
    assert 2.0 ** reach.integer_bits(model.outputs[0]) > high


def test_weights_end_what_is_known():
    inputs = keras.Input((4,))
    dense = L.Dense(2)(inputs)
    model = keras.Model(inputs, L.Add()([dense, dense]))
    reach = Reach(FloatGraph(model), [Grid.pixels()])
    assert reach.of(model.outputs[0]) is None and reach.integer_bits(dense) is None
    assert Reach(FloatGraph(model), [None]).of(model.inputs[0]) is None
