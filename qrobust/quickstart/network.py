"""The network of the quickstart, with and without its defence."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from qrobust import layers
from qrobust.datasets import Split
from qrobust.quantization.quantize import quantize


@dataclass(frozen=True)
class Defence:
    """What training does against perturbations.

    Attributes:
        sigma: noise in pixels; 0 for none.
        jacobian: weight of the per-layer Jacobian penalty; 0 for none.
    """

    sigma: float
    jacobian: float


def digits_network(defence: Defence, *, seed: int) -> Any:
    """A float convolutional network for 8 x 8 digits, 0 to 255, ending in ten logits."""

    def regularized(layer: Any) -> Any:
        return layers.JacobianRegularized(layer, weight=defence.jacobian)

    def conv(filters: int, strides: int, number: int) -> Any:
        return keras.layers.Conv2D(
            filters,
            3,
            strides=strides,
            padding="same",
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(seed + number),
            name=f"conv{number}",
        )

    initializer = keras.initializers.GlorotUniform(seed + 4)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.GridNoise(defence.sigma, seed=seed),
            keras.layers.Rescaling(1 / 256),
            regularized(conv(16, 1, 1)),
            regularized(conv(32, 2, 2)),
            regularized(conv(32, 2, 3)),
            keras.layers.Flatten(name="flatten"),
            regularized(keras.layers.Dense(10, kernel_initializer=initializer, name="logits")),
        ],
        name="digits",
    )


def train(
    defence: Defence, data: Split, *, bits: int, epochs: int, seed: int, callbacks: list[Any]
) -> Any:
    """A quantized digits network, trained.

    Args:
        defence: noise and regularization.
        data: uint8 images and int labels.
        bits: of weights and activations.
        epochs: over the data.
        seed: of weights, noise and order.
        callbacks: Keras's.
    """
    model = quantize(digits_network(defence, seed=seed), weight_bits=bits, activation_bits=bits)
    batches = (
        tf.data.Dataset.from_tensor_slices((data.x.astype("float32"), data.y))
        .shuffle(len(data.x), seed=seed)
        .batch(64)
    )
    steps = epochs * len(batches)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return model
