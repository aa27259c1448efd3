"""Models and layers that ``quantize`` refuses by name, with the road that exists."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust.quantization.float32 import as_float32
from qrobust.quantization.simplify import simplify
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


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_causal_convolution_becomes_zeros_and_a_plain_one(dilation):
    layer = convolution(padding="causal", dilation_rate=dilation)
    tail = [keras.layers.Flatten(), keras.layers.Dense(3)]
    causal = keras.Sequential([keras.Input((9, 2)), layer, *tail])
    x = np.random.default_rng(0).integers(0, 256, (20, 9, 2)).astype("float32")
    simple = simplify(causal)
    assert not any(getattr(part, "padding", None) == "causal" for part in simple.layers)
    np.testing.assert_allclose(simple.predict(x), causal.predict(x), rtol=1e-4, atol=1e-3)
    twin = qrobust.quantize(causal, calibrate=x)
    assert check_parity(twin, export(twin), x).is_exact


def test_another_causal_layer_is_refused_with_the_remedy():
    layer = keras.layers.SeparableConv1D(4, 3)
    layer.padding = "causal"
    model = keras.Sequential([keras.Input((9, 2)), layer])
    with pytest.raises(ValueError, match=r"pads causally.*ZeroPadding1D"):
        qrobust.quantize(model)


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("policy", ["mixed_float16", "float64", "mixed_bfloat16"])
def test_another_type_policy_is_taken_as_the_same_weights_in_float32(policy):
    layers = [
        keras.layers.Conv2D(4, 3, dtype=policy, activation="relu"),
        keras.layers.Flatten(dtype=policy),
        keras.layers.Dense(3, dtype=policy),
    ]
    model = keras.Sequential([keras.Input((6, 6, 2)), *layers])
    x = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 2)).astype("float32")
    twin = qrobust.quantize(model, calibrate=x)
    plain = as_float32(model)
    assert {part.dtype_policy.name for part in plain.layers} == {"float32"}
    for ours, theirs in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, np.asarray(theirs, np.float32))
    assert check_parity(twin, export(twin), x).is_exact
    same = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert as_float32(same) is same


L = keras.layers


@pytest.mark.parametrize(
    ("shape", "layer", "remedy"),
    [
        ((4, 6), L.TimeDistributed(L.Dense(3), name="mine"), "call the layer itself"),
        ((4, 6), L.Bidirectional(L.LSTM(2), name="mine"), "use Conv1D"),
        ((6,), L.SpectralNormalization(L.Dense(3), name="mine"), "once it is trained"),
        ((4, 6), L.Conv1DTranspose(3, 2, name="mine"), "use Conv2DTranspose"),
        ((4, 6), L.DepthwiseConv1D(2, name="mine"), "use DepthwiseConv2D"),
        ((6,), L.ReLU(0.0, name="mine"), "larger bound"),
    ],
)
def test_layers_without_a_twin_name_what_to_use(shape, layer, remedy):
    model = keras.Sequential([keras.Input(shape), layer])
    with pytest.raises(ValueError, match=f"'mine'.*{remedy}"):
        qrobust.quantize(model)
