"""A small noisy model, and the noise that it draws."""

import keras
import numpy as np

from qrobust import layers

L = keras.layers


def noisy_model(*hidden, seed=3, sigma=20):
    """GridNoise, pixels to [0, 1), hidden layers, four logits; weights from a seed."""
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.GridNoise(sigma, seed=seed),
            L.Rescaling(1 / 256),
            *hidden,
            L.Dense(4, kernel_initializer=keras.initializers.RandomNormal(stddev=3, seed=1)),
        ],
        name="net",
    )


def first_noise(count, seed=3, sigma=20):
    """What the first call of such a model with so many rows adds, before it saturates."""
    middle = np.full((count, 5), 128.0, "float32")
    noise = np.asarray(layers.GridNoise(sigma, seed=seed)(middle, training=True)) - 128
    if np.abs(noise).max() >= 127:
        raise ValueError("saturated: take a smaller sigma")
    return noise.astype(np.float64)


def examples(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 5)).astype("float32"), rng.integers(0, 4, count)
