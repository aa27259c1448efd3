"""Whole Keras models: the same integers everywhere, and a clear word where that cannot be."""

import json

import keras
import numpy as np
import pytest
import qkeras

from qrobust.quantizers import (
    FixedPoint,
    PowerOfTwoWeights,
    QuantizedBits,
    QuantizedRelu,
    Ternary,
)
from tflite_export import ExportError, Grid, check_parity, export
from tflite_export.metadata import ENTRY

L = keras.layers
Q = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}


def randomized(model, *, seed=0, scale=0.4):
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.normal(0, scale, variable.shape))
    return model


def small_model(*, activation=None, softmax=False, weights=None, shape=(6, 6, 2)):
    quantizers = {**Q, "kernel_quantizer": weights or PowerOfTwoWeights(4)}
    outputs = [
        keras.Input(shape, name="image"),
        L.Rescaling(1 / 256),
        qkeras.QConv2D(
            4, 3, padding="same", activation=QuantizedRelu(4, 1), name="conv", **quantizers
        ),
        L.MaxPooling2D(),
        L.Dropout(0.5),
        L.Flatten(),
        qkeras.QDense(3, activation=activation or QuantizedBits(8, 3), name="fc", **Q),
    ]
    if softmax:
        outputs.append(L.Softmax())
    return randomized(keras.Sequential(outputs, name="small"))


def pixels(model, count=64, seed=0):
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(seed).integers(0, 256, shape)


def assert_exact(model, **options):
    exported = export(model, **options)
    parity = check_parity(model, exported, pixels(model))
    assert parity.is_exact, str(parity)
    assert len(parity.differing) + len(parity.skipped) == 5
    assert exported.report.is_exact
    return exported


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    "activation",
    [
        QuantizedBits(8, 3),
        QuantizedBits(4, 2),
        QuantizedBits(5, 0),
        QuantizedBits(8, 2, symmetric=True),
        QuantizedRelu(8, 2),
        QuantizedRelu(1, 1),
    ],
    ids=str,
)
def test_every_clip_is_exact(activation):
    assert_exact(small_model(activation=activation))


@pytest.mark.parametrize("weights", [Ternary(), PowerOfTwoWeights(2), PowerOfTwoWeights(6, "max")])
def test_every_weight_grid_is_exact(weights):
    assert_exact(small_model(weights=weights))


def test_a_final_softmax_is_left_out():
    exported = assert_exact(small_model(softmax=True))
    assert "softmax" not in str(exported.report).lower()


def test_naive_rounding_differs_where_tie_free_does_not():
    model = small_model()
    parity = check_parity(model, export(model, rounding="naive"), pixels(model, 500))
    assert not parity.is_exact
    assert parity.differing["Keras predict"] == 0


def test_residual_branches_on_different_steps():
    inputs = keras.Input((6, 6, 2))
    x = L.Rescaling(1 / 256)(inputs)
    a = qkeras.QConv2D(4, 3, activation=QuantizedRelu(3, 2), **Q)(x)
    b = qkeras.QActivation(QuantizedBits(8, 3))(qkeras.QConv2D(4, 3, **Q)(x))
    y = qkeras.QActivation(QuantizedRelu(4, 2))(L.Add()([a, b]))
    y = qkeras.QDense(3, activation=QuantizedBits(8, 4), **Q)(L.Flatten()(y))
    assert_exact(randomized(keras.Model(inputs, y)))


def test_a_quantizer_after_relu_and_pooling():
    inputs = keras.Input((6, 6, 2))
    x = L.ReLU()(qkeras.QConv2D(4, 3, name="c", **Q)(L.Rescaling(1 / 256)(inputs)))
    x = qkeras.QActivation(QuantizedBits(8, 2))(L.MaxPooling2D()(x))
    x = qkeras.QActivation(QuantizedRelu(8, 2))(L.GlobalAveragePooling2D()(x))
    assert_exact(randomized(keras.Model(inputs, x)))


def test_input_grids_come_from_the_model_or_the_caller():
    inputs = keras.Input((5,), name="features")
    x = qkeras.QActivation(QuantizedBits(8, 2))(inputs)
    x = qkeras.QDense(3, activation=QuantizedBits(8, 4), **Q)(x)
    model = randomized(keras.Model(inputs, x))
    assert export(model).lowered.input_grids == (Grid.signed(8, -5),)

    plain = keras.Sequential(
        [keras.Input((5,)), qkeras.QDense(3, activation=QuantizedBits(8, 4), **Q)]
    )
    exported = export(randomized(plain), input_grid=Grid.signed(8, -4))
    features = np.random.default_rng(0).normal(0, 4, (50, 5))
    assert check_parity(plain, exported, features).is_exact
    assert export(plain).lowered.input_grids == (Grid.pixels(),)


def test_the_file_says_what_it_holds():
    from qrobust.certify.file.metadata import read_metadata

    exported = export(small_model(), labels=["a", "b", "c"])
    content = json.loads(read_metadata(exported.tflite, ENTRY))
    assert content["labels"] == ["a", "b", "c"]
    assert content["inexact"] == []
    assert content["inputs"][0]["zero_point"] == -128


def test_a_wrong_file_is_caught_by_parity():
    model, other = small_model(), randomized(small_model(), seed=1)
    exported = export(model)
    assert not check_parity(other, exported, pixels(model)).is_exact


def dense_model(*layers, shape=(4,)):
    return randomized(keras.Sequential([keras.Input(shape), *layers], name="m"))


BAD = {
    "a layer without an integer form": (
        lambda: dense_model(L.LayerNormalization(name="norm")),
        "Layer 'norm' .*LayerNormalization.* cannot be exported",
    ),
    "a float layer": (
        lambda: dense_model(L.Dense(3, name="float", activation=QuantizedBits(8, 3))),
        "Layer 'float': weights of channel",
    ),
    "8-bit weights": (
        lambda: dense_model(
            qkeras.QDense(
                3,
                name="wide",
                activation=QuantizedBits(8, 3),
                kernel_quantizer=PowerOfTwoWeights(8),
                bias_quantizer=FixedPoint(),
            )
        ),
        "Layer 'wide': 8-bit weights leave no room",
    ),
    "a float bias": (
        lambda: dense_model(
            qkeras.QDense(
                3,
                name="fc",
                activation=QuantizedBits(8, 3),
                kernel_quantizer=PowerOfTwoWeights(4),
            )
        ),
        "Layer 'fc': the bias is finer",
    ),
    "no quantizer between two layers": (
        lambda: dense_model(
            qkeras.QDense(3, name="first", **Q), qkeras.QDense(2, name="then", **Q)
        ),
        "then: reads 'first', whose output no quantizer rounds",
    ),
    "a softmax inside": (
        lambda: dense_model(
            qkeras.QDense(3, activation=QuantizedBits(8, 3), **Q),
            L.Softmax(name="soft"),
            qkeras.QDense(2, name="after", **Q),
        ),
        "Layer 'after': reads the softmax of 'soft'",
    ),
    "a rescaling off the grid": (
        lambda: dense_model(L.Rescaling(1 / 255, name="scale"), qkeras.QDense(3, **Q)),
        "Layer 'scale': Rescaling",
    ),
    "a stock quantizer, which rounds half to even": (
        lambda: dense_model(
            qkeras.QDense(3, name="fc", activation=qkeras.quantized_relu(4, 2), **Q)
        ),
        "Layer 'fc': quantized_relu.* rounds halves to even",
    ),
    "an activation without a grid": (
        lambda: dense_model(qkeras.QDense(3, name="fc", activation="tanh", **Q)),
        "Layer 'fc': the activation .* has no exact integer form",
    ),
    "an open shape": (
        lambda: dense_model(qkeras.QConv2D(2, 3, **Q), shape=(None, None, 1)),
        "open shape",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_exact_is_refused_by_name(case):
    make, says = BAD[case]
    with pytest.raises(ExportError, match=says):
        export(make())


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ExportError, match="has no recorded graph"):
        export(Own(name="own"))


def test_wrong_labels_are_refused():
    with pytest.raises(ExportError, match="2 labels were given for 3 classes"):
        export(small_model(), labels=["a", "b"])


@pytest.mark.parametrize("labels", ["abc", ["a\nb", "c", "d"], ["a", "", "c"], [1, 2, 3]])
def test_labels_that_are_no_lines_are_echoed(labels):
    with pytest.raises(ValueError, match="labels is a list of class names.*Received"):
        export(small_model(), labels=labels)
