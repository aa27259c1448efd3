"""What no layer may do: draw in inference, keep channels first, compute in other types."""

import keras
import numpy as np
import pytest
import qkeras

import qrobust
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu
from tflite_export import ExportError, Grid, check_parity, export
from tflite_export.lower.checks import rounding_problem

L = keras.layers
Q = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}
WIDE = {"activation": QuantizedBits(8, 3), **Q}


def dense(*layers, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *layers])


@pytest.mark.parametrize(
    "layer",
    [
        lambda f: L.MaxPooling2D(data_format=f, name="it"),
        lambda f: L.AveragePooling2D(2, data_format=f, name="it"),
        lambda f: L.GlobalMaxPooling2D(data_format=f, name="it"),
        lambda f: L.GlobalAveragePooling2D(data_format=f, name="it"),
        lambda f: L.ZeroPadding2D(data_format=f, name="it"),
        lambda f: L.Cropping2D(data_format=f, name="it"),
        lambda f: L.UpSampling2D(data_format=f, name="it"),
    ],
)
def test_channels_first_is_refused_by_name(layer):
    model = dense(layer("channels_first"), shape=(4, 4, 4))
    with pytest.raises(ExportError, match="'it'.*channels_first"):
        export(model)
    with pytest.raises(ValueError, match="'it'.*channels_first"):
        qrobust.quantize(model)


def test_flatten_of_channels_first_is_exact():
    model = dense(
        L.Flatten(data_format="channels_first"), qkeras.QDense(4, **WIDE), shape=(3, 4, 5)
    )
    x = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5))
    assert check_parity(model, export(model), x).is_exact


def test_axes_are_refused_by_name():
    inputs = keras.Input((4, 4))
    one, two = (qkeras.QActivation(QuantizedRelu(8, 8))(inputs) for _ in range(2))
    with pytest.raises(ExportError, match="'join'.*batch"):
        export(keras.Model(inputs, L.Concatenate(axis=0, name="join")([one, two])))
    with pytest.raises(ExportError, match="'soft'.*axis 1"):
        export(keras.Model(inputs, L.Softmax(axis=1, name="soft")(one)))


def test_randomness_in_inference_is_refused():
    rounding = qkeras.quantized_bits(4, 0, 1, alpha=1, use_stochastic_rounding=True)
    drawn = qkeras.QDense(3, name="draws", **{**WIDE, "kernel_quantizer": rounding})
    with pytest.raises(ExportError, match="'draws'.*random"):
        export(dense(drawn))
    active = qkeras.quantized_relu(4, 2, use_stochastic_rounding=True)
    with pytest.raises(ExportError, match="'draws'.*random"):
        export(dense(qkeras.QDense(3, name="draws", **{**WIDE, "activation": active})), exact=False)


class HalfEven(QuantizedBits):
    def __call__(self, x):
        step = self.grid().step
        return keras.ops.clip(keras.ops.round(x / step) * step, self.min(), self.max())


class Drawing(QuantizedBits):
    def __call__(self, x):
        return super().__call__(x + np.random.default_rng().normal(0, 1, np.shape(x)))


def test_a_quantizer_with_a_grid_is_tried_and_not_believed():
    for kind, says in ((HalfEven, "'own'.*rounding half up"), (Drawing, "'own'.*random")):
        model = dense(qkeras.QDense(3, name="own", **{**WIDE, "activation": kind(8, 3)}))
        with pytest.raises(ExportError, match=says):
            export(model)


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("exponent", [-30, -3, 20])
def test_our_quantizers_pass_at_any_step(bits, exponent):
    for quantizer in (QuantizedBits(bits, exponent), QuantizedRelu(bits, exponent)):
        assert rounding_problem(quantizer, quantizer.grid()) is None
        wrong = Grid(exponent - bits, 0, -1, 1)
        assert rounding_problem(quantizer, wrong) is not None


@pytest.mark.parametrize("policy", ["float64", "mixed_float16"])
def test_other_types_are_refused_by_name_and_become_float32_in_a_twin(policy):
    model = dense(L.Dense(3, dtype=policy, name="typed"))
    with pytest.raises(ValueError, match=f"'typed'.*{policy}"):
        export(model)
    twin = qrobust.quantize(model)
    assert {layer.dtype_policy.name for layer in twin.layers} == {"float32"}
    x = np.arange(60, dtype=np.float32).reshape(10, 6)
    assert check_parity(twin, export(twin), x).is_exact


@pytest.mark.thorough
def test_keras_own_quantization_is_refused_by_name():
    model = dense(L.Dense(3, name="typed"))
    model.get_layer("typed").quantize("int8")
    with pytest.raises(ExportError, match="'typed'.*Keras itself"):
        export(model, exact=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_finite_numbers_are_refused_by_name(bad):
    for layer in (L.Dense(3, name="bad"), qkeras.QDense(3, name="bad", **WIDE)):
        model = dense(layer)
        layer.bias.assign(np.full(3, bad))
        call = qrobust.quantize if type(layer) is L.Dense else export
        with pytest.raises(ValueError, match="'bad'.*finite"):
            call(model)
    good = dense(qkeras.QDense(3, **WIDE))
    with pytest.raises(ValueError, match="inputs holds NaN or infinity"):
        check_parity(good, export(good), np.full((3, 6), bad))
    with pytest.raises(ValueError, match="at least 1"):
        check_parity(good, export(good), np.zeros((0, 6)))
