"""Transposed convolutions: Keras's own against a convolution of all phases, on every runtime."""

import keras
import numpy as np
import pytest
import qkeras
from exact_models import L, Q, assert_exact, relu, sequence, wide

import qrobust
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights
from tflite_export import ExportError, check_parity, export

OPTIONS = {"kernel_quantizer": PowerOfTwoWeights(4, "max", (-2,)), "bias_quantizer": FixedPoint()}
SHAPES = [
    # kernel, strides, padding, input
    (2, 2, "valid", (4, 3, 3)),
    (3, 2, "same", (4, 5, 3)),
    (3, 2, "valid", (3, 4, 2)),
    (4, 2, "same", (3, 3, 1)),
    (5, 3, "same", (3, 2, 2)),
    (3, 1, "same", (4, 4, 2)),
    (3, 1, "valid", (4, 4, 2)),
    (1, 2, "same", (3, 3, 2)),
    (2, 3, "valid", (3, 2, 2)),
    ((3, 2), (1, 2), "same", (4, 3, 2)),
    ((5, 2), (3, 1), "valid", (2, 3, 2)),
]


@pytest.mark.ordinary(3)
@pytest.mark.parametrize(("kernel", "strides", "padding", "shape"), SHAPES)
def test_every_geometry_gives_keras_integers(kernel, strides, padding, shape):
    layer = qkeras.QConv2DTranspose(4, kernel, strides=strides, padding=padding, **OPTIONS)
    assert_exact(sequence(shape, layer, relu(5)))


def test_one_between_others_and_its_last_rows_wrong_would_be_noticed():
    model = sequence(
        (6, 6, 3),
        qkeras.QConv2D(4, 3, **Q),
        relu(),
        qkeras.QConv2DTranspose(3, 3, strides=2, padding="same", **OPTIONS),
        relu(),
        L.Flatten(),
        qkeras.QDense(3, **Q),
        wide(),
    )
    exported = assert_exact(model)
    kernel = model.layers[3].kernel
    kernel.assign(np.asarray(kernel) * np.where(np.arange(3) < 2, 1, -1)[:, None, None, None])
    x = np.random.default_rng(0).integers(0, 256, (50, 6, 6, 3))
    assert not check_parity(model, exported, x).is_exact


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("norm", [False, True])
def test_quantize_makes_one_and_folds_the_norm_behind_it(norm):
    after = [L.BatchNormalization(), L.ReLU()] if norm else [L.ReLU()]
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            L.Conv2DTranspose(5, 3, strides=2, padding="same"),
            *after,
            L.Flatten(),
            L.Dense(3),
        ]
    )
    rng = np.random.default_rng(1)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path else -0.5
        weight.assign(rng.uniform(low, 1.5, weight.shape))
    x = rng.integers(0, 256, (60, 4, 4, 3)).astype("float32")
    twin = qrobust.quantize(model, 6, 8, calibrate=x)
    assert check_parity(twin, export(twin), x).is_exact
    wanted, given = model.predict(x, verbose=0), twin.predict(x, verbose=0)
    assert np.corrcoef(wanted.ravel(), given.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("options", [{"dilation_rate": 2}, {"output_padding": 1, "strides": 2}])
def test_what_is_left_out_is_refused_by_name(options):
    layer = L.Conv2DTranspose(2, 3, name="up", **options)
    model = keras.Sequential([keras.Input((4, 4, 2)), layer])
    with pytest.raises(ExportError, match=r"'up'.*dilation_rate or output_padding"):
        export(model)
    with pytest.raises(ValueError, match="'up'"):
        qrobust.quantize(model)
