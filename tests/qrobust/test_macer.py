"""MACER: its gradient against finite differences of the paper's loss in SciPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from noisy_models import examples, first_noise, noisy_model
from scipy.special import log_softmax, softmax
from scipy.stats import norm

from qrobust import layers, quantize
from tflite_export import check_parity, export

L = keras.layers
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
COUNT, COPIES, WEIGHT, GAMMA, BETA = 24, 4, 60.0, 4.0, 2.0


def radii(kernel, x, noise):
    """The soft predictions and xi, from the definition."""
    logits = np.clip(x + noise, 0, 255) / 256 @ kernel
    soft = softmax(BETA * logits, axis=-1).mean(0)
    ordered = np.sort(soft, axis=-1)
    xi = norm.ppf(ordered[:, -1]) - norm.ppf(ordered[:, -2])
    return logits, soft.argmax(-1), xi


def paper_loss(kernel, x, y, noise, sigma):
    logits, predicted, xi = radii(kernel, x, noise)
    cross = -np.log(softmax(logits, axis=-1).mean(0)[np.arange(len(y)), y])
    hinge = sigma / 2 * np.maximum(GAMMA - xi, 0) * (predicted == y)
    return (cross + WEIGHT * hinge).mean()


def case():
    x, y = examples(COUNT)
    model = layers.Macer(noisy_model(), WEIGHT, copies=COPIES, gamma=GAMMA, beta=BETA)
    noise = first_noise(COPIES * COUNT).reshape(COPIES, COUNT, 5)
    kernel = np.asarray(model.layer.layers[-1].kernel, np.float64)
    _, predicted, xi = radii(kernel, x, noise)
    y = np.where(np.arange(COUNT) % 2, y, predicted)
    right = predicted == y
    # All kinds of examples: right and wrong, hinge open and closed.
    assert 0 < right.sum() < COUNT
    assert 0 < (xi[right] < GAMMA).sum() < right.sum()
    return model, kernel, x, y, noise


def test_the_gradient_is_that_of_the_papers_loss():
    model, kernel, x, y, noise = case()
    variable = model.layer.layers[-1].kernel
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = CROSSENTROPY(y, outputs) + sum(model.losses)
    gradient = tape.gradient(loss, variable.value).numpy()
    expected = np.zeros_like(kernel)
    for index in np.ndindex(kernel.shape):
        step = np.zeros_like(kernel)
        step[index] = 1e-5
        there, back = (paper_loss(kernel + sign * step, x, y, noise, 20 / 256) for sign in (1, -1))
        expected[index] = (there - back) / 2e-5
    # float32 against differences in float64.
    np.testing.assert_allclose(gradient, expected, rtol=2e-3, atol=2e-4)


def test_outputs_stay_log_probabilities_and_the_radius_is_logged():
    model, kernel, x, _, noise = case()
    outputs = np.asarray(model(x, training=True))
    logits, _, xi = radii(kernel, x, noise)
    expected = np.log(softmax(logits, axis=-1).mean(0))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    (metric,) = model.metrics
    np.testing.assert_allclose(float(metric.result()), 10 * np.minimum(xi, GAMMA).mean(), rtol=1e-3)


def test_without_weight_it_is_the_crossentropy_of_the_mean():
    x, y = examples(6)
    model = layers.Macer(noisy_model(), 0.0, copies=3)
    total = float(CROSSENTROPY(y, model(x, training=True))) + float(sum(model.losses))
    logits = np.asarray(noisy_model()(np.concatenate([x] * 3), training=True), np.float64)
    p = np.exp(log_softmax(logits.reshape(3, 6, 4), axis=-1)).mean(0)
    np.testing.assert_allclose(total, -np.log(p[np.arange(6), y]).mean(), rtol=1e-4)


@pytest.mark.thorough
def test_training_widens_the_radius():
    # Two classes in the first pixel, and 20 LSB of noise.
    rng = np.random.default_rng(0)
    x = np.full((128, 5), 128.0, "float32")
    y = rng.integers(0, 2, 128)
    x[:, 0] += np.where(y, 12, -12)
    reached = []
    for weight in (0.0, 30.0):
        inputs = keras.Input((5,))
        macer = layers.Macer(noisy_model(), weight, copies=4, beta=4.0)
        model = keras.Model(inputs, macer(inputs))
        model.compile(keras.optimizers.Adam(0.02), CROSSENTROPY)
        history = model.fit(x, y, epochs=15, batch_size=64, verbose=0, shuffle=False)
        reached.append(history.history["soft_radius"][-1])
    assert reached[1] > 1.3 * reached[0]


@pytest.mark.thorough
def test_it_trains_saves_quantizes_and_vanishes(tmp_path):
    hidden = [layers.JacobianRegularized(L.Dense(6, activation="relu"), 0.01)]
    inner = quantize(noisy_model(*hidden), 4, 4)
    inputs = keras.Input((5,))
    wrapper = layers.Macer(inner, 12.0, copies=2)
    model = keras.Model(inputs, wrapper(inputs))
    model.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    x, y = examples(64)
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y))
    assert {"accuracy", "soft_radius", "val_accuracy"} <= set(history.history)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), inner.predict(x, verbose=0))
    again = loaded.get_layer(wrapper.name)
    assert (again.weight, again.copies, again.gamma, again.beta) == (12.0, 2, 8.0, 16.0)
    assert check_parity(loaded, export(loaded), x).is_exact


@pytest.mark.parametrize(
    "options", [{"weight": -1}, {"weight": 1, "copies": 0}, {"weight": 1, "gamma": 0}]
)
def test_bad_arguments_are_echoed(options):
    with pytest.raises(ValueError, match="Received"):
        layers.Macer(noisy_model(), **options)
