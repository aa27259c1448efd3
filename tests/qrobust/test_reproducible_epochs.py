"""A training that resumes goes on bit for bit as one that was never interrupted."""

import keras
import numpy as np
import pytest
from noisy_models import noisy_model

from qrobust import quantize
from qrobust.callbacks import BitWidthSchedule, NoiseSchedule, ReproducibleEpochs
from qrobust.training.batches import batches

STEPS, EPOCHS, DONE = 3, 4, 2
L = keras.layers


def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (STEPS * 8, 5)).astype("uint8"), rng.integers(0, 4, STEPS * 8)


def stream(epochs_done=0):
    x, y = images()
    data = batches(x, y, batch_size=8, augment="none", seed=5)
    return data.repeat().skip(epochs_done * STEPS)


def model_to_fit():
    """Input noise, dropout and stochastic weights: three kinds of generators."""
    hidden = [L.Dense(6, activation="relu", name="hidden"), L.Dropout(0.3, seed=8)]
    bits = {"hidden": "stochastic_ternary", "*": 4}
    model = quantize(noisy_model(*hidden), bits, 4, seed=9)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def fit(model, *more, epochs=EPOCHS, epochs_done=0, initial_epoch=0):
    logits = model.layers[-2].name
    callbacks = [
        ReproducibleEpochs(),
        NoiseSchedule(lambda epoch: 10.0 + epoch),
        BitWidthSchedule({0: {logits: 6}, 3: {logits: 3}}),
        *more,
    ]
    return model.fit(
        stream(epochs_done),
        steps_per_epoch=STEPS,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    ).history


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(v) for v in variables]


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == DONE:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def uninterrupted():
    model = model_to_fit()
    start = model.get_weights()
    history = fit(model)
    return start, history, state(model)


def compare(model, history, uninterrupted):
    _, expected_history, expected = uninterrupted
    for name, values in history.items():
        assert values == expected_history[name][DONE:], name
    for ours, theirs in zip(state(model), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.thorough
def test_from_a_saved_model(tmp_path, uninterrupted):
    model = model_to_fit()
    model.set_weights(uninterrupted[0])
    fit(model, epochs=DONE)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    history = fit(loaded, epochs_done=DONE, initial_epoch=DONE)
    compare(loaded, history, uninterrupted)


@pytest.mark.thorough
def test_from_a_backup(tmp_path, uninterrupted):
    model = model_to_fit()
    model.set_weights(uninterrupted[0])
    with pytest.raises(KeyboardInterrupt):
        fit(model, keras.callbacks.BackupAndRestore(tmp_path), Interrupt())
    again = model_to_fit()
    history = fit(again, keras.callbacks.BackupAndRestore(tmp_path), epochs_done=DONE)
    compare(again, history, uninterrupted)


def test_without_it_the_noise_starts_over(uninterrupted):
    """What the callback is for: the same model on the same batches, another continuation."""
    model = model_to_fit()
    weights, data = model.get_weights(), next(iter(stream()))
    first = model.train_on_batch(*data)
    model.set_weights(weights)
    assert model.train_on_batch(*data) != first


def test_a_model_that_draws_nothing_is_an_error():
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no random generator"):
        model.fit(np.zeros((4, 2)), np.zeros(4), verbose=0, callbacks=[ReproducibleEpochs()])
