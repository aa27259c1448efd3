import numpy as np
import pytest

from qrobust.architectures import autoencoder

KERNELS = [
    ("FULLY_CONNECTED", shape)
    for shape in [
        (128, 640), (128, 128), (128, 128), (128, 128), (8, 128),
        (128, 8), (128, 128), (128, 128), (128, 128), (640, 128),
    ]
]  # fmt: skip


def test_parameters(keras_kernels):
    model = autoencoder()
    assert model.count_params() == 269_992
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 267_928
    assert keras_kernels(model) == KERNELS
    assert model.output_shape == model.input_shape == (None, 640)


def test_kernels_of_the_reference(mlcommons, tflite_kernels):
    assert tflite_kernels(mlcommons / "ad01_int8.tflite") == KERNELS


@pytest.mark.parametrize("name", ["features", "width", "bottleneck"])
def test_bad_counts(name):
    with pytest.raises(ValueError, match=f"{name}=-1"):
        autoencoder(**{name: -1})
