"""The per-layer penalty lowers the Jacobian of what is exported, batch norm or not."""

import keras
import numpy as np
import pytest
import qkeras
import tensorflow as tf

from qrobust import datasets, layers
from qrobust.layers import folded_batch_norm
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu
from tflite_export import export, reference

L = keras.layers
QUANTIZED = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}
X = datasets.digits(0).train.x[:512].astype("float32")
LENGTH = 0.01
MIDDLE = np.clip(X[:64], 48, 207)


def unit(filters, seed, **options):
    """A folded convolution whose norm stays as it is: only the kernel can follow the penalty."""
    return layers.JacobianRegularized(
        layers.Conv2DBatchNorm(
            filters,
            3,
            activation=QuantizedRelu(4, 2),
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            momentum=0.8,
            fixed=("gamma", "beta"),
            **QUANTIZED,
            **options,
        ),
        weight=1e-3,
    )


def network():
    logits = qkeras.QDense(
        10, kernel_initializer=keras.initializers.GlorotUniform(3), name="logits", **QUANTIZED
    )
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Rescaling(1 / 256),
            unit(6, 1, padding="same"),
            unit(6, 2, strides=2),
            L.Flatten(),
            logits,
            qkeras.QActivation(QuantizedBits(8, 4)),
        ]
    )


def trained(steps):
    """A network after so many steps on the penalty alone, its statistics settled, as integers."""
    model = network()
    # Steps of one length: kernels that vanish would leave nothing for a norm to restore.
    optimizer = keras.optimizers.SGD(LENGTH, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x, learn):
        with tf.GradientTape() as tape:
            model(x, training=True)
            penalty = sum(model.losses)
        if learn:
            gradients = tape.gradient(penalty, model.trainable_variables)
            optimizer.apply(
                [
                    tf.zeros_like(v) if g is None else g
                    for g, v in zip(gradients, model.trainable_variables, strict=True)
                ]
            )

    for number in range(steps + 30):
        first = 64 * (number % 8)
        step(tf.constant(X[first : first + 64]), number < steps)
    return export(model)


def squared_jacobian(exported):
    """Of the integer logits, by finite differences of 16 LSB in random directions."""
    rng, graph = np.random.default_rng(0), exported.lowered.graph
    total = 0.0
    for _ in range(4):
        change = 16 * rng.choice([-1, 1], MIDDLE.shape)
        ends = [
            reference.run(graph, (MIDDLE + sign * change - 128).astype(np.int8))[0].astype(float)
            for sign in (1, -1)
        ]
        total += float(np.mean(np.sum((ends[0] - ends[1]) ** 2, -1)))
    return total


@pytest.fixture(scope="module")
def untrained():
    return squared_jacobian(trained(0))


def test_the_exported_jacobian_falls(untrained):
    assert squared_jacobian(trained(80)) < 0.7 * untrained


def test_with_constant_statistics_it_would_not(untrained, monkeypatch):
    """The penalty as it was: batch norm gives back what smaller kernels took."""
    monkeypatch.setattr(folded_batch_norm, "batch_variance", lambda z, mean, variance: variance)
    assert squared_jacobian(trained(80)) > 0.9 * untrained
