"""The mixture of networks under attack: its value and its gradient against their definition."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from qrobust.attacks import LINF, Budget, KerasTarget, MixtureTarget, projected_gradient
from qrobust.attacks.ground.pixel_grid import PixelGrid

X = np.random.default_rng(0).integers(0, 256, (6, 5))
Y = np.arange(6) % 3


def network(seed, shape=(5,), classes=3):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape)
    y = keras.layers.Dense(8, activation="tanh")(inputs * 2**-7 - 1)
    return keras.Model(inputs, keras.layers.Dense(classes)(y))


MODELS = [network(seed) for seed in range(3)]
TARGETS = [KerasTarget(model) for model in MODELS]


def test_it_is_the_log_of_the_mean_probability():
    mixture = MixtureTarget(TARGETS, (2, 1, 1))
    shares = [tf.nn.softmax(m(X.astype("float32"))).numpy().astype(float) for m in MODELS]
    expected = np.log(0.5 * shares[0] + 0.25 * shares[1] + 0.25 * shares[2])
    np.testing.assert_allclose(mixture.logits(X), expected, atol=1e-5)


def test_the_gradient_is_that_of_the_mean_over_networks():
    """d -log p_y / dx = -(sum_k w_k grad p_k,y) / p_y, each network's gradient by itself."""
    mixture = MixtureTarget(TARGETS)
    _, found = mixture.gradients(X, Y, "cross_entropy")
    total, gradient = 0.0, 0.0
    for model in MODELS:
        x = tf.constant(X, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            p = tf.gather(tf.nn.softmax(model(x)), Y, axis=1, batch_dims=1)
        total, gradient = total + p.numpy(), gradient + tape.gradient(p, x).numpy()
    np.testing.assert_allclose(found, -gradient / total[:, None], rtol=1e-3, atol=1e-7)


def test_attacks_take_it():
    mixture = MixtureTarget(TARGETS)
    found = projected_gradient(mixture, X, Y, Budget(40.0, LINF), steps=5)
    assert np.abs(found.strongest.astype(int) - X).max() <= 40


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MixtureTarget([]), "at least one"),
        (lambda: MixtureTarget(TARGETS, (1, 1)), "3 whole numbers"),
        (lambda: MixtureTarget(TARGETS, (1, 1, 0)), "3 whole numbers"),
        (lambda: MixtureTarget([TARGETS[0], KerasTarget(network(0, (4,)))]), "alike"),
        (
            lambda: MixtureTarget([TARGETS[0], KerasTarget(MODELS[1], grid=PixelGrid(0, 127))]),
            "alike",
        ),
    ],
)
def test_what_is_no_mixture_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
