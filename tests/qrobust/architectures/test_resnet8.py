import keras
import numpy as np
import pytest

from qrobust.architectures import resnet8

KERNELS = [
    ("CONV_2D", (16, 3, 3, 3)),
    ("CONV_2D", (16, 3, 3, 16)),
    ("CONV_2D", (16, 3, 3, 16)),
    ("CONV_2D", (32, 3, 3, 16)),
    ("CONV_2D", (32, 3, 3, 32)),
    ("CONV_2D", (32, 1, 1, 16)),
    ("CONV_2D", (64, 3, 3, 32)),
    ("CONV_2D", (64, 3, 3, 64)),
    ("CONV_2D", (64, 1, 1, 32)),
    ("FULLY_CONNECTED", (10, 64)),
]


def test_parameters(keras_kernels):
    model = resnet8()
    assert model.count_params() == 78_666
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 78_186
    assert keras_kernels(model) == KERNELS
    assert model.output_shape == (None, 10)


def test_twice_as_wide():
    assert resnet8(width=32).count_params() == 309_898
    assert resnet8(width=32).get_layer("stage3_add").output.shape == (None, 8, 8, 128)


def test_kernels_of_the_reference(mlcommons, tflite_kernels):
    assert tflite_kernels(mlcommons / "pretrainedResnet_quant.tflite") == KERNELS


def test_computes_what_the_reference_computes(mlcommons):
    reference = keras.models.load_model(mlcommons / "pretrainedResnet.h5", compile=False)
    model = resnet8(input_scale=None)
    for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.Dense):
        ours = [layer for layer in model.layers if isinstance(layer, kind)]
        theirs = [layer for layer in reference.layers if isinstance(layer, kind)]
        for to, source in zip(ours, theirs, strict=True):
            to.set_weights(source.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    # Same float32 operations up to the order of the sum in the average.
    np.testing.assert_allclose(keras.ops.softmax(model(x)), reference([x]), rtol=1e-4, atol=1e-6)


def test_bad_width():
    with pytest.raises(ValueError, match="width=0"):
        resnet8(width=0)
