"""Every layer family, bit for bit on every runtime."""

import keras
import numpy as np
import pytest
import qkeras
from exact_models import (
    SEPARABLE,
    STOCK,
    L,
    Q,
    assert_exact,
    randomized,
    relu,
    sequence,
    wide,
)

from qrobust.quantizers import FixedPoint, QuantizedBits, QuantizedRelu
from tflite_export import ExportError, export


def dyadic_conv1d(**options):
    """Keras's own Conv1D; its weights are put on a grid after building."""
    return L.Conv1D(4, 3, activation=QuantizedRelu(4, 1), name="conv1d", **options)


FAMILIES = {
    "1-D convolutions and pooling": lambda: sequence(
        (20, 3),
        qkeras.QConv1D(4, 3, padding="same", **Q),
        relu(),
        L.MaxPooling1D(),
        L.ZeroPadding1D(1),
        qkeras.QConv1D(4, 3, strides=2, **Q),
        relu(),
        L.AveragePooling1D(2),
        relu(8),
        L.Flatten(),
        qkeras.QDense(3, **Q),
        wide(),
    ),
    "global 1-D pooling": lambda: sequence(
        (16, 3),
        qkeras.QSeparableConv1D(4, 3, padding="same", **SEPARABLE),
        relu(),
        L.GlobalMaxPooling1D(),
        qkeras.QDense(3, **Q),
        wide(),
    ),
    "global 1-D average": lambda: sequence(
        (16, 3), qkeras.QConv1D(4, 1, **Q), relu(), L.GlobalAveragePooling1D(), wide()
    ),
    "separable convolution": lambda: sequence(
        (8, 8, 3),
        qkeras.QSeparableConv2D(4, 3, padding="same", strides=2, **SEPARABLE),
        relu(),
        L.Flatten(),
        qkeras.QDense(3, **Q),
        wide(),
    ),
    "QKeras averages": lambda: sequence(
        (8, 8, 3),
        qkeras.QConv2D(4, 3, **Q),
        relu(),
        qkeras.QAveragePooling2D(
            (3, 3),
            average_quantizer=qkeras.quantized_bits(6, -2, 1, alpha=1),
            activation=QuantizedRelu(8, 1),
        ),
        qkeras.QGlobalAveragePooling2D(
            average_quantizer=qkeras.quantized_bits(6, -1, 1, alpha=1),
            activation=QuantizedRelu(8, 1),
        ),
    ),
    "QKeras folded batch norm": lambda: sequence(
        (8, 8, 3),
        qkeras.QConv2DBatchnorm(4, 3, axis=3, **STOCK),
        relu(),
        qkeras.QDepthwiseConv2DBatchnorm(
            3,
            axis=3,
            depthwise_quantizer=qkeras.quantized_bits(4, 0, 1, alpha=1),
            bias_quantizer=FixedPoint(),
        ),
        relu(),
        L.Flatten(),
        qkeras.QDenseBatchnorm(3, axis=1, **STOCK),
        wide(),
    ),
    "stock weight quantizers": lambda: sequence(
        (8, 8, 3),
        qkeras.QConv2D(
            4,
            3,
            kernel_quantizer=qkeras.quantized_bits(4, 0, 1, alpha="auto_po2"),
            bias_quantizer=FixedPoint(),
        ),
        relu(),
        qkeras.QConv2D(
            4,
            3,
            kernel_quantizer=qkeras.stochastic_ternary(alpha="auto_po2"),
            bias_quantizer=FixedPoint(),
        ),
        relu(),
        L.Flatten(),
        qkeras.QDense(
            3, kernel_quantizer=qkeras.binary(alpha=1), bias_quantizer=STOCK["bias_quantizer"]
        ),
        wide(),
        qkeras.QDense(
            3,
            kernel_quantizer=qkeras.quantized_linear(4, 0, 1, alpha=1.0),
            bias_quantizer=FixedPoint(),
        ),
        wide(5),
    ),
    "groups": lambda: sequence(
        (8, 8, 4),
        qkeras.QConv2D(6, 3, groups=2, **Q),
        relu(),
        L.Reshape((36, 6)),
        qkeras.QConv1D(9, 3, groups=3, **Q),
        relu(),
        L.Flatten(),
        qkeras.QDense(3, **Q),
        wide(),
    ),
    "padded averages": lambda: sequence(
        (7, 9, 3),
        L.AveragePooling2D(2, padding="same"),
        qkeras.QActivation(QuantizedRelu(8, 0)),
        L.AveragePooling2D((4, 2), strides=1, padding="valid"),
        wide(0),
    ),
    "QKeras's padded average": lambda: sequence(
        (7, 9, 3),
        qkeras.QAveragePooling2D(
            (2, 2),
            strides=(2, 2),
            padding="same",
            average_quantizer=qkeras.quantized_bits(6, -2, 1, alpha=1),
            activation=QuantizedRelu(8, 1),
        ),
    ),
    "padded 1-D average": lambda: sequence(
        (9, 3), L.AveragePooling1D(2, padding="same"), qkeras.QActivation(QuantizedRelu(8, 0))
    ),
    "rounding onto another grid": lambda: sequence(
        (6,),
        qkeras.QDense(5, activation=QuantizedBits(8, 2), **Q),
        qkeras.QActivation(QuantizedBits(4, 2)),
        qkeras.QActivation(QuantizedBits(3, 1)),
        qkeras.QDense(3, **Q),
        wide(),
    ),
}


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("family", FAMILIES)
def test_family(family):
    assert_exact(FAMILIES[family]())


def test_causal_convolution():
    model = sequence((20, 2), dyadic_conv1d(padding="causal", dilation_rate=2))
    layer = model.get_layer("conv1d")
    rng = np.random.default_rng(0)
    layer.kernel.assign(rng.integers(-7, 8, layer.kernel.shape) / 8)
    layer.bias.assign(rng.integers(-7, 8, layer.bias.shape) / 8)
    assert_exact(model)


def test_branches_movers_and_several_outputs():
    inputs = keras.Input((8, 8, 3))
    x = L.Rescaling(1 / 256)(inputs)
    a = relu(3, 2)(qkeras.QConv2D(4, 3, padding="same", **Q)(x))
    b = qkeras.QActivation(QuantizedBits(6, 2))(qkeras.QConv2D(4, 3, padding="same", **Q)(x))
    c = qkeras.QConv2D(2, 3, padding="same", **Q)(x)
    joined = relu()(qkeras.QConv2D(4, 1, **Q)(L.Concatenate()([a, b])))
    moved = relu(5, 1)(L.Concatenate()([c, L.UpSampling2D()(L.MaxPooling2D()(a))]))
    moved = L.Permute((2, 1, 3))(L.Cropping2D(((1, 0), (2, 1)))(moved))
    outputs = [
        wide()(qkeras.QDense(3, **Q)(L.Flatten()(joined))),
        wide()(qkeras.QDense(2, **Q)(L.Flatten()(moved))),
    ]
    assert_exact(randomized(keras.Model(inputs, outputs)))


def test_several_inputs_on_different_scales():
    u, v = keras.Input((6,), name="u"), keras.Input((4,), name="v")
    a = qkeras.QDense(5, **Q)(L.Rescaling(1 / 256)(u))
    b = qkeras.QDense(3, **Q)(L.Rescaling(1 / 128)(v))
    y = qkeras.QDense(3, **Q)(wide()(L.Concatenate()([a, b])))
    assert_exact(randomized(keras.Model([u, v], wide(4)(y))))


def test_rescaled_branches_meet():
    inputs = keras.Input((6,))
    a, b = L.Rescaling(1 / 256)(inputs), L.Rescaling(1 / 128)(inputs)
    y = qkeras.QDense(3, **Q)(relu(6, 1)(L.Concatenate()([relu(8, 0)(a), relu(8, 1)(b)])))
    assert_exact(randomized(keras.Model(inputs, wide()(y))))


def test_branches_that_no_8_bits_hold_together_are_refused():
    inputs = keras.Input((6,))
    a, b = (qkeras.QDense(3, activation=QuantizedBits(8, i), **Q)(inputs) for i in (0, 4))
    y = qkeras.QDense(3, **Q)(L.Concatenate(name="join")([a, b]))
    with pytest.raises(ExportError, match="reads 'join', whose output no quantizer rounds"):
        export(randomized(keras.Model(inputs, wide()(y))))


def test_shared_layers_and_a_sum_of_three():
    inputs = keras.Input((6,))
    layer = qkeras.QDense(6, activation=QuantizedBits(4, 1), **Q)
    x = layer(L.Rescaling(1 / 256)(inputs))
    y = layer(x)
    assert_exact(randomized(keras.Model(inputs, relu(6, 3)(L.Add()([x, y, layer(y)])))))
