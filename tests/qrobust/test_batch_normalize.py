"""Batch norm with an epsilon per channel, and the gradients of its gradients."""

import numpy as np
import pytest
import tensorflow as tf

from qrobust.layers.batch_normalize import batch_normalize

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(16, 5, 5, 3))
WEIGHTS = RNG.normal(size=Z.shape)
CHANNELS = [np.array(v) for v in ([1.0, 2.0, 0.5], [0.1, 0.2, 0.3], [0.01, 1.0, 0.3])]


def formula(z, scale, offset, epsilon):
    """The definition in float64, differentiated by TensorFlow."""
    mean = tf.reduce_mean(z, axis=(0, 1, 2))
    variance = tf.reduce_mean((z - mean) ** 2, axis=(0, 1, 2))
    return (z - mean) / tf.sqrt(variance + epsilon) * scale + offset


def derivatives(function, dtype):
    """A value, its gradient, and the gradient of a function of that gradient."""
    z, weights, *channels = (tf.constant(v, dtype) for v in (Z, WEIGHTS, *CHANNELS))
    with tf.GradientTape() as outer:
        outer.watch([z, *channels])
        with tf.GradientTape() as inner:
            inner.watch([z, *channels])
            value = tf.reduce_sum(weights * function(z, *channels) ** 2)
        first = inner.gradient(value, [z, *channels])
        penalty = tf.reduce_sum(tf.sin(first[0]))
    second = outer.gradient(penalty, [z, channels[0], channels[2]])
    return [value, *first, *second]


def test_two_orders_of_gradients_are_those_of_the_formula():
    ours = derivatives(lambda *a: batch_normalize(*a)[0], tf.float32)
    for found, expected in zip(ours, derivatives(formula, tf.float64), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=3e-4)


def derivatives_of_all(function, dtype):
    """Every gradient of every gradient of every gradient, an amount drawn for each."""
    rng = np.random.default_rng(1)
    given = [tf.constant(v, dtype) for v in (Z, *CHANNELS, WEIGHTS)]

    def mixed(values):
        return sum(tf.reduce_sum(rng.normal(size=v.shape).astype(v.dtype.name) * v) for v in values)

    with tf.GradientTape() as third:
        third.watch(given)
        with tf.GradientTape() as second:
            second.watch(given)
            with tf.GradientTape() as first:
                first.watch(given)
                value = tf.reduce_sum(given[-1] * function(*given[:-1]))
            found = [first.gradient(value, given)]
            total = mixed(found[0])
        found.append(second.gradient(total, given, unconnected_gradients="zero"))
        total = mixed(found[1])
    found.append(third.gradient(total, given, unconnected_gradients="zero"))
    return [gradient for order in found for gradient in order]


def test_three_orders_are_those_of_the_formula_in_every_argument():
    ours = derivatives_of_all(lambda *a: batch_normalize(*a)[0], tf.float32)
    for found, expected in zip(ours, derivatives_of_all(formula, tf.float64), strict=True):
        largest = max(1.0, float(tf.reduce_max(tf.abs(expected))))
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * largest)


def forward_mode(function, dtype):
    """The derivatives along one direction of the result and of all its gradients."""
    rng = np.random.default_rng(2)
    given = [tf.constant(v, dtype) for v in (Z, *CHANNELS)]
    along = [tf.constant(rng.normal(size=v.shape), dtype) for v in given]
    with tf.autodiff.ForwardAccumulator(given, along) as forward:
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = function(*given)
            value = tf.reduce_sum(tf.constant(WEIGHTS, dtype) * y**2)
        found = [y, *tape.gradient(value, given)]
    return [forward.jvp(v) for v in found]


def test_forward_mode_is_that_of_the_formula():
    ours = forward_mode(lambda *a: batch_normalize(*a)[0], tf.float32)
    for found, expected in zip(ours, forward_mode(formula, tf.float64), strict=True):
        largest = float(tf.reduce_max(tf.abs(expected)))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize("shape", [(64, 3), (8, 8, 3), (4, 4, 4, 3)])
def test_statistics_are_those_of_the_batch(shape):
    z = Z.ravel()[: np.prod(shape)].reshape(shape)
    _, mean, variance = batch_normalize(*(tf.constant(v, tf.float32) for v in (z, *CHANNELS)))
    flat = z.reshape(-1, 3)
    np.testing.assert_allclose(mean, flat.mean(0), atol=1e-6)
    np.testing.assert_allclose(variance, flat.var(0), rtol=1e-5)
