"""A softmax is found wherever it hides; attacks refuse the rest by the numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from qrobust import layers
from qrobust.attacks import KerasTarget
from tflite_export.logits import logits_model

L = keras.layers


def logits(name="logits"):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((6,)), L.Rescaling(1 / 64), L.Dense(4, name="head")], name=name
    )


def around(*behind):
    inputs = keras.Input((6,))
    y = logits()(inputs)
    for layer in behind:
        y = layer(y)
    return keras.Model(inputs, y)


def nested(*behind):
    inputs = keras.Input((6,))
    return keras.Model(inputs, around(*behind)(inputs))


HIDDEN = {
    "layer": lambda: around(L.Softmax()),
    "activation": lambda: around(L.Activation("softmax")),
    "tf": lambda: around(L.Activation(tf.nn.softmax)),
    "keras.ops": lambda: around(L.Activation(keras.ops.softmax)),
    "moved": lambda: around(L.Softmax(), L.Reshape((2, 2)), L.Flatten(), L.Dropout(0.5)),
    "nested": lambda: nested(L.Softmax()),
    "nested twice": lambda: keras.Sequential(
        [keras.Input((6,)), nested(L.Softmax(), L.Identity())]
    ),
    "wrapped": lambda: keras.Sequential(
        [keras.Input((6,)), layers.JacobianRegularized(around(L.Softmax()), 0.1)]
    ),
}
X = np.random.default_rng(0).integers(0, 256, (20, 6)).astype("float32")


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_logits_behind_are_found(hidden):
    expected = logits().predict(X, verbose=0)
    np.testing.assert_allclose(
        logits_model(HIDDEN[hidden]()).predict(X, verbose=0), expected, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(KerasTarget(HIDDEN[hidden]()).logits(X), expected, rtol=1e-5)


def test_a_softmax_inside_a_dense_layer_is_copied_out():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(inputs))
    z = logits_model(model).predict(X / 99, verbose=0)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(p, model.predict(X / 99, verbose=0), rtol=1e-4)


@keras.saving.register_keras_serializable(package="test")
class Own(L.Layer):
    def call(self, x):
        return keras.ops.softmax(x)


def test_any_other_softmax_is_refused_by_an_attack():
    for layer in (Own(), L.Lambda(lambda x: keras.ops.softmax(x))):
        with pytest.raises(ValueError, match="softmax"):
            KerasTarget(around(layer))
    with pytest.raises(ValueError, match="sigmoid"):
        KerasTarget(around(L.Activation("sigmoid")))
    assert KerasTarget(logits()).classes == 4
