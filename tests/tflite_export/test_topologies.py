"""The MLPerf-Tiny networks at several bit widths, with weights that look trained."""

import keras
import numpy as np
import pytest

import qrobust
from qrobust import architectures
from tflite_export import check_parity, export

CASES = [
    (architectures.resnet8, "ternary", 2),
    (architectures.resnet8, 3, 8),
    (architectures.ds_cnn, 2, 4),
    (architectures.ds_cnn, 6, 8),
    (architectures.mobilenet_v1, 4, 4),
    pytest.param(architectures.mobilenet_v1, "ternary", 8, marks=pytest.mark.slow),
    (architectures.autoencoder, 4, 8),
    (architectures.autoencoder, 6, 2),
]


def trained_looking(model):
    """Channels of different sizes, and the batch norm statistics that they lead to."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        if kind == "kernel":
            spread = rng.uniform(0.5, 2, variable.shape[-1])
            variable.assign(np.asarray(variable) * spread)
        elif kind == "gamma":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif kind in ("beta", "bias"):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(pixels(model, 16).astype("float32"), training=True)
    return model


def pixels(model, count):
    return np.random.default_rng(1).integers(0, 256, (count, *model.input_shape[1:]))


@pytest.mark.ordinary(1)
@pytest.mark.parametrize(("make", "weights", "activations"), CASES)
def test_bit_for_bit(make, weights, activations):
    keras.utils.set_random_seed(0)
    model = trained_looking(make())
    twin = qrobust.quantize(model, weights, activations, calibrate=pixels(model, 32))
    exported = export(twin)
    assert {row.tie_free for row in exported.report.rows} <= {True, None}
    images = pixels(model, 6)
    parity = check_parity(twin, exported, images)
    assert parity.is_exact, str(parity)
    # Not a network that says the same to everything.
    assert len(np.unique(twin.predict(images, verbose=0), axis=0)) == len(images)
