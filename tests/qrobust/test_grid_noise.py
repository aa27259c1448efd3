"""Integer input noise: on the grid, saturating, afresh at every call."""

import keras
import numpy as np
import pytest

from qrobust import layers
from qrobust.callbacks import NoiseSchedule

L = keras.layers


def test_noise_is_the_identity_in_inference():
    x = np.random.default_rng(0).integers(0, 256, (4, 5)).astype("float32")
    assert np.array_equal(layers.GridNoise(30)(x, training=False), x)


def test_noise_stays_on_the_grid_and_saturates():
    x = np.full((2000, 50), 250.0, "float32") * 2.0**-8
    y = np.asarray(layers.GridNoise(10, exponent=-8, seed=1)(x, training=True)) * 2.0**8
    assert np.array_equal(y, np.rint(y))
    assert y.max() == 255
    # Half the mass above 255 saturates: P(250 + N >= 255), N rounded normal of sigma 10.
    from scipy.stats import norm

    share = norm.sf(4.5 / 10)
    assert abs(np.mean(y == 255) - share) < 5 * np.sqrt(share / y.size)


def test_noise_draws_afresh_and_repeats_with_its_seed():
    x = np.full((1, 100), 128.0, "float32")
    first, second = layers.GridNoise(9, seed=5), layers.GridNoise(9, seed=5)
    a, b = np.asarray(first(x, training=True)), np.asarray(first(x, training=True))
    assert not np.array_equal(a, b)
    assert np.array_equal(a, second(x, training=True))


def test_sigma_from_a_range_differs_between_batches():
    layer = layers.GridNoise((1, 60), seed=2)
    x = np.full((1, 5000), 128.0, "float32")
    spreads = [np.asarray(layer(x, training=True)).std() for _ in range(20)]
    assert min(spreads) < 15 < 40 < max(spreads)


def test_a_share_of_the_examples_stays_clean_and_no_part_of_one_does():
    layer = layers.GridNoise(30, clean_share=0.25, seed=3)
    x = np.full((4000, 6, 1), 128.0, "float32")
    moved = np.asarray(layer(x, training=True)) != x
    touched = moved.any(axis=(1, 2))
    assert abs(1 - touched.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)
    assert moved[touched].mean() > 0.95  # P(N = 0) is about .013
    again = layers.GridNoise.from_config(layer.get_config())
    assert again.clean_share == 0.25
    whole = layers.GridNoise(30, seed=3)
    assert (np.asarray(whole(x, training=True)) != x).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"sigma": -1},
        {"sigma": (5, 2)},
        {"sigma": 1, "minimum": -200, "maximum": 200},
        {"sigma": 1, "clean_share": 1},
        {"sigma": 1, "clean_share": -0.1},
    ],
)
def test_impossible_noise_is_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        layers.GridNoise(**arguments)


def test_noise_schedule_sets_sigma_and_logs_it():
    model = keras.Sequential([keras.Input((2,)), layers.GridNoise(0), L.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(
        np.zeros((4, 2)),
        np.zeros(4),
        epochs=3,
        verbose=0,
        callbacks=[NoiseSchedule(lambda epoch: 10.0 * epoch)],
    )
    assert history.history["sigma"] == [0, 10, 20]
    assert model.layers[0].sigma == (20, 20)


def test_a_schedule_without_noise_layers_is_an_error():
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="no GridNoise layer"):
        model.fit(
            np.zeros((4, 2)), np.zeros(4), verbose=0, callbacks=[NoiseSchedule(lambda epoch: 1.0)]
        )
