import keras
import numpy as np
import pytest

from qrobust.architectures import resnet20

STAGES = [(1, 16, 16), (2, 32, 16), (3, 64, 32)]
KERNELS = [("CONV_2D", (16, 3, 3, 3))]
for _, filters, before in STAGES:
    KERNELS += [("CONV_2D", (filters, 3, 3, before)), ("CONV_2D", (filters, 3, 3, filters))]
    KERNELS += [("CONV_2D", (filters, 1, 1, before))] * (filters != before)
    KERNELS += [("CONV_2D", (filters, 3, 3, filters))] * 4
KERNELS += [("FULLY_CONNECTED", (10, 64))]


def test_parameters(keras_kernels):
    model = resnet20()
    assert model.count_params() == 274_442
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 273_066
    assert keras_kernels(model) == KERNELS
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize(("blocks", "depth"), [(1, 8), (3, 20), (5, 32)])
def test_depth(blocks, depth):
    long_road = [
        layer
        for layer in resnet20(width=2, blocks=blocks).layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
        and "shortcut" not in layer.name
    ]
    assert len(long_road) == depth


def test_one_block_is_the_network_of_mlperf_tiny():
    from qrobust.architectures import resnet8

    small, reference = resnet20(blocks=1), resnet8()
    assert [w.shape for w in small.weights] == [w.shape for w in reference.weights]
    small.set_weights(reference.get_weights())
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(small(x), reference(x))


def test_names():
    names = [layer.name for layer in resnet20(width=2).layers]
    assert names[:3] == ["input", "input_scale", "stem_conv"]
    assert {"stage2_block1_shortcut_conv", "stage3_block3_b_bn", "stage1_block2_relu"} <= set(names)
    assert "stage1_block1_shortcut_conv" not in names


def test_other_options():
    model = resnet20((16, 16, 6), 5, width=4, input_scale=None, batch_norm=False)
    assert model.output_shape == (None, 5)
    assert model.get_layer("stage3_block1_add").output.shape == (None, 4, 4, 16)
    assert not [w for w in model.layers if isinstance(w, keras.layers.BatchNormalization)]


@pytest.mark.parametrize("name", ["width", "blocks"])
def test_bad_counts(name):
    with pytest.raises(ValueError, match=f"{name}=0"):
        resnet20(**{name: 0})
