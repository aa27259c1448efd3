"""SmoothAdv against PGD in NumPy, with the gradient written out by hand."""

import keras
import numpy as np
import pytest
from noisy_models import examples, first_noise, noisy_model
from scipy.special import log_softmax, softmax

from qrobust import layers, quantize
from tflite_export import check_parity, export

L = keras.layers
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def attack(x, noise, kernel, labels, epsilon, steps, norm):
    """PGD on -log mean_i softmax(sat(x + delta + noise_i) W / 256)_label."""
    delta = np.zeros_like(x)
    for _ in range(steps):
        unsaturated = x + delta + noise
        p = softmax(np.clip(unsaturated, 0, 255) / 256 @ kernel, axis=-1)
        if labels is None:
            labels = p.mean(0).argmax(-1)
        chosen = np.take_along_axis(p, labels[None, :, None], axis=-1)
        # d p_c / d z = p_c (e_c - p)
        by_logits = chosen * (np.eye(4)[labels] - p)
        inside = (unsaturated >= 0) & (unsaturated <= 255)
        by_input = (by_logits @ kernel.T / 256 * inside).mean(0)
        gradient = -by_input / p.mean(0)[np.arange(len(x)), labels][:, None]
        lengths = np.linalg.norm(gradient, axis=1, keepdims=True)
        delta += 2 * epsilon / steps * (gradient / lengths if norm == "l2" else np.sign(gradient))
        delta = np.clip(x + delta, 0, 255) - x
        if norm == "l2":
            delta *= np.minimum(1, epsilon / np.linalg.norm(delta, axis=1, keepdims=True))
        else:
            delta = np.clip(delta, -epsilon, epsilon)
    return delta


@pytest.mark.ordinary(6)
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize(("copies", "steps"), [(1, 1), (2, 3), (3, 2)])
def test_the_whole_loss_is_the_papers(copies, steps, labelled, norm):
    x, y = examples(6)
    wrapped = layers.SmoothAdversarial(noisy_model(), 30, steps=steps, copies=copies, norm=norm)
    outputs = wrapped([x, y] if labelled else x, training=True)
    total = float(CROSSENTROPY(y, outputs)) + float(sum(wrapped.losses))

    noise = first_noise(copies * 6).reshape(copies, 6, 5)
    kernel = np.asarray(wrapped.layer.layers[-1].kernel, np.float64)
    delta = attack(np.float64(x), noise, kernel, y if labelled else None, 30, steps, norm)
    logits = np.clip(x + delta + noise, 0, 255) / 256 @ kernel
    expected = -log_softmax(logits, axis=-1)[:, np.arange(6), y].mean()
    np.testing.assert_allclose(total, expected, rtol=1e-4)
    # The attack mattered.
    plain = -log_softmax(np.clip(x + noise, 0, 255) / 256 @ kernel, axis=-1)
    assert abs(expected - plain[:, np.arange(6), y].mean()) > 1e-2


def test_the_attack_leaves_batch_norm_and_penalties_alone():
    """One update of the statistics and one penalty, however many steps."""
    hidden = [
        L.BatchNormalization(momentum=0.5, name="bn"),
        layers.JacobianRegularized(L.Dense(6, activation="relu"), 0.1),
    ]
    wrapped = layers.SmoothAdversarial(noisy_model(*hidden), 1e-3, steps=4, copies=2)
    x, _ = examples(8)
    wrapped(x, training=True)
    noisy = np.clip(np.concatenate([x, x]) + first_noise(16), 0, 255) / 256
    np.testing.assert_allclose(hidden[0].moving_mean, noisy.mean(0) / 2, rtol=1e-4)
    assert len(wrapped.losses) == 2


def test_without_epsilon_it_trains_on_noise_alone():
    x, _ = examples(6)
    wrapped = layers.SmoothAdversarial(noisy_model(), 0, copies=2)
    logits = noisy_model()(np.concatenate([x, x]), training=True)
    expected = log_softmax(np.asarray(logits).reshape(2, 6, 4), axis=-1).mean(0)
    np.testing.assert_allclose(wrapped(x, training=True), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.thorough
def test_it_trains_saves_quantizes_and_vanishes(tmp_path):
    inner = quantize(noisy_model(L.Dense(6), L.BatchNormalization(), L.ReLU()), 4, 4)
    inputs = keras.Input((5,))
    wrapped = layers.JacobianRegularized(inner, 0.01, seed=1)
    wrapper = layers.SmoothAdversarial(wrapped, 20, steps=2, norm="linf")
    model = keras.Model(inputs, wrapper(inputs))
    model.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    x, y = examples(64)
    history = model.fit(x, y, epochs=2, verbose=0)
    assert {"accuracy", "loss"} <= set(history.history)
    assert np.isfinite(history.history["loss"]).all()
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), inner.predict(x, verbose=0))
    again = loaded.get_layer(wrapper.name)
    assert (again.epsilon, again.steps, again.copies, again.norm) == (20, 2, 2, "linf")
    assert check_parity(loaded, export(loaded), x).is_exact


def test_it_trains_on_labels_given_as_an_input():
    inner = noisy_model()
    inputs = [keras.Input((5,)), keras.Input((), dtype="int32")]
    model = keras.Model(inputs, layers.SmoothAdversarial(inner, 20)(inputs))
    model.compile("adam", CROSSENTROPY)
    x, y = examples(32)
    model.fit([x, y], y, verbose=0)
    np.testing.assert_array_equal(model.predict([x, y], verbose=0), inner.predict(x, verbose=0))


@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": -1},
        {"epsilon": 1, "steps": 0},
        {"epsilon": 1, "copies": 0},
        {"epsilon": 1, "norm": "l1"},
    ],
)
def test_bad_arguments_are_echoed(options):
    with pytest.raises(ValueError, match="Received"):
        layers.SmoothAdversarial(noisy_model(), **options)


def test_a_model_without_noise_is_refused():
    silent = keras.Sequential([keras.Input((5,)), L.Dense(4)], name="silent")
    with pytest.raises(ValueError, match="'silent' has no GridNoise layer on its input"):
        layers.SmoothAdversarial(silent, 10)
