"""Models and layers that ``quantize`` refuses by name, with the road that exists."""

import keras
import numpy as np
import pytest

import qrobust
from tflite_export import check_parity, export


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def test_a_subclassed_model_records_no_graph():
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    with pytest.raises(ValueError, match="Build it as a Sequential or Functional model"):
        qrobust.quantize(model)


def convolution(**options):
    return keras.layers.Conv1D(4, 3, activation="relu", **options)


def test_a_causal_convolution_is_refused_and_the_remedy_works():
    tail = [keras.layers.Flatten(), keras.layers.Dense(3)]
    causal = keras.Sequential([keras.Input((9, 2)), convolution(padding="causal"), *tail])
    with pytest.raises(ValueError, match=r"pads causally.*ZeroPadding1D"):
        qrobust.quantize(causal)
    padded = keras.Sequential(
        [keras.Input((9, 2)), keras.layers.ZeroPadding1D((2, 0)), convolution(), *tail]
    )
    x = np.random.default_rng(0).integers(0, 256, (20, 9, 2)).astype("float32")
    twin = qrobust.quantize(padded, calibrate=x)
    assert check_parity(twin, export(twin), x).is_exact
