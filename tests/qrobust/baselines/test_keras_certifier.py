"""A Keras model under the certifier's own noise: that of the file, integer by integer."""

from pathlib import Path

import keras
import numpy as np
import pytest

from qrobust import datasets, keras_certifier
from qrobust.baselines.keras_certifier import identity
from qrobust.certify import Certifier
from qrobust.load_keras import load_keras

DIGITS = Path(__file__).parents[3] / "models" / "digits"


@pytest.fixture(scope="module")
def model():
    return load_keras(DIGITS / "model.keras")


def test_votes_are_those_of_the_exported_file(model):
    x = datasets.digits().test.x[:3]
    mine = keras_certifier(model, seed=3)
    with Certifier(DIGITS / "model.tflite", seed=3, trusted=True) as file:
        for index, image in enumerate(x):
            one, two = (c.certify(image, n0=50, n=400, index=index) for c in (mine, file))
            assert (one.votes, one.pilot_votes, one.radius_q16) == (
                two.votes,
                two.pilot_votes,
                two.radius_q16,
            )
    assert (one.kernels, one.sigma) == ("callable", two.sigma)
    assert "Keras" in one.runtime and "float32" in one.runtime


def plain(scale):
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    weights = np.random.default_rng(0).integers(-4, 5, (16, 3)) / scale
    model.layers[-1].set_weights([weights.astype(np.float32), np.zeros(3, np.float32)])
    return model


def test_a_model_of_another_unit_sees_the_same_noise():
    x = np.random.default_rng(1).integers(0, 256, (4, 4, 1)).astype(np.uint8)
    of_pixels = keras_certifier(plain(1), sigma=200, seed=0).certify(x, n=300)
    of_units = keras_certifier(plain(2**-8), sigma=200, seed=0, step=2**-8).certify(x, n=300)
    assert of_pixels.votes == of_units.votes and len(np.flatnonzero(of_pixels.votes)) > 1


def test_identity_is_of_weights_and_architecture():
    one, same, other = plain(1), plain(1), plain(2)
    assert identity(one)[32:] == identity(same)[32:] != identity(other)[32:]


def test_what_it_cannot_know_is_asked_for():
    with pytest.raises(ValueError, match="Give sigma"):
        keras_certifier(plain(1))
    a, b = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(ValueError, match="2 inputs"):
        keras_certifier(keras.Model([a, b], keras.layers.Add()([a, b])), sigma=3)
