"""What all networks have in common: scaled integer inputs, logits, readable names, `.keras`."""

import keras
import numpy as np
import pytest

from qrobust import architectures

# A denoiser gives a picture, and stands in front of a network.
NETWORKS = [getattr(architectures, name) for name in architectures.__all__ if name != "denoiser"]
CLASSIFIERS = [network for network in NETWORKS if network is not architectures.autoencoder]


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda f: f.__name__)
def network(request):
    return request.param


@pytest.mark.ordinary(2)
def test_shared_structure(network):
    model, bare = network(), network(input_scale=None, batch_norm=False)
    scaling = model.get_layer("input_scale")
    assert isinstance(scaling, keras.layers.Rescaling)
    assert (scaling.scale, scaling.offset) == (2**-8, 0.0)
    added = {"BatchNormalization", "Rescaling"}
    kinds = [type(layer).__name__ for layer in model.layers]
    assert added <= set(kinds)
    # Leaving both out changes nothing else.
    assert sorted(k for k in kinds if k not in added) == sorted(
        type(layer).__name__ for layer in bare.layers
    )
    for each in (model, bare):
        assert isinstance(each.layers[-1], keras.layers.Dense)
        assert each.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize(
    "build",
    [architectures.digits_cnn, architectures.resnet8, architectures.ds_cnn],
    ids=lambda f: f.__name__,
)
def test_saves_and_loads(tmp_path, build):
    model = build(width=4) if build is not architectures.ds_cnn else build(filters=4)
    path = tmp_path / "model.keras"
    model.save(path)
    x = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_array_equal(model(x), keras.models.load_model(path)(x))


@pytest.mark.parametrize("scale", [0.1, 0.0, -0.5, float("inf"), float("nan"), 1 / 255])
def test_scale_that_is_no_power_of_two(network, scale):
    with pytest.raises(ValueError, match="power of two"):
        network(input_scale=scale)


@pytest.mark.parametrize("build", CLASSIFIERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("classes", [1, 0, 2.5, True])
def test_too_few_classes(build, classes):
    with pytest.raises(ValueError, match=f"classes={classes}"):
        build(classes=classes)


@pytest.mark.parametrize("build", CLASSIFIERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(32, 32), (32, 0, 3), (None, 32, 3)])
def test_bad_shape(build, shape):
    with pytest.raises(ValueError, match="3 positive ints"):
        build(input_shape=shape)


def test_signal_keeps_its_size_without_batch_norm():
    # Thirteen depthwise layers: Keras's own he_normal would shrink the signal by sqrt(channels)
    # at each of them, to nothing.
    keras.utils.set_random_seed(0)
    model = architectures.mobilenet_v1(batch_norm=False)
    x = np.random.default_rng(0).integers(0, 256, (1, 96, 96, 3)).astype(np.float32)
    features = keras.Model(model.input, model.get_layer("pool").output)(x)
    assert 1e-2 < float(np.abs(features).max()) < 1e2
