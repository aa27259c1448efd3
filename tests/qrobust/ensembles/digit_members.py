"""Small networks of several bit widths on the digits, and their ensemble in NumPy."""

from functools import cache

import keras
import numpy as np

import qrobust
from qrobust import layers
from tflite_export import export, reference

L = keras.layers
SIGMA = 32
BITS = ((4, 4), (3, 3), (2, 2))


@cache
def data():
    return qrobust.datasets.digits()


@cache
def members():
    """Three networks of 4, 3 and 2 bits; the last one's logits are on a coarser grid."""
    return tuple(_member(seed, *bits) for seed, bits in enumerate(BITS))


def _member(seed, weight_bits, activation_bits):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.GridNoise(SIGMA, seed=seed),
            L.Rescaling(2**-8),
            L.Flatten(),
            L.Dense(24, activation="relu"),
            L.Dense(10),
        ],
        name="net",
    )
    train = data().train
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    model.fit(train.x, train.y, epochs=4, batch_size=64, verbose=0)
    if seed == 2:
        last = model.layers[-1]
        last.set_weights([6 * w for w in last.get_weights()])
    return qrobust.quantize(model, weight_bits, activation_bits, calibrate=train.x[:300])


@cache
def exported_members():
    return tuple(export(member) for member in members())


def member_integers(pixels):
    """Logits of every member's own file, in steps of its own grid."""
    files = exported_members()
    stored = np.asarray(pixels, np.int64) - 128
    rows = [reference.run(file.lowered.graph, stored)[0] for file in files]
    grids = [file.lowered.output_grids[0] for file in files]
    return [q - g.zero_point for q, g in zip(rows, grids, strict=True)]


def mean_integers(pixels, weights):
    """What the documents say a mean is, written down once more in plain NumPy."""
    total = sum(w * q for q, w in zip(member_integers(pixels), weights, strict=True))
    shift = next(m for m in range(20) if 2**m >= sum(weights))
    return np.floor(total * 2.0**-shift + 0.5).astype(np.int64)


def vote_integers(pixels, weights):
    """The votes of the members' own labels."""
    rows = member_integers(pixels)
    return sum(
        w * np.eye(10, dtype=np.int64)[q.argmax(1)] for q, w in zip(rows, weights, strict=True)
    )
