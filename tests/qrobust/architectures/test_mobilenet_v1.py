import numpy as np
import pytest

from qrobust.architectures import mobilenet_v1


def test_parameters():
    model = mobilenet_v1()
    assert model.count_params() == 221_794
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 216_322
    assert model.get_layer("block13_b_relu").output.shape == (None, 3, 3, 256)
    assert model.output_shape == (None, 2)


def test_kernels_of_the_reference(mlcommons, tflite_kernels, keras_kernels):
    kernels = tflite_kernels(mlcommons / "vww_96_int8.tflite")
    assert len(kernels) == 28
    assert keras_kernels(mobilenet_v1()) == kernels


@pytest.mark.parametrize("alpha", [0.0, 1.5, 0.3])
def test_bad_alpha(alpha):
    with pytest.raises(ValueError, match=f"alpha={alpha}"):
        mobilenet_v1(alpha=alpha)


def test_a_stem_for_small_pictures():
    model = mobilenet_v1((32, 32, 3), 10, stem_strides=1)
    assert model.get_layer("stem_relu").output.shape == (None, 32, 32, 8)
    assert model.get_layer("block13_b_relu").output.shape == (None, 2, 2, 256)
    with pytest.raises(ValueError, match="stem_strides=3"):
        mobilenet_v1(stem_strides=3)
