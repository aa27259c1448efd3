"""A batch's variance that is known already, with the gradient that the known number lacks."""

from typing import Any

import keras
from keras import ops


def batch_variance(z: Any, mean: Any, variance: Any) -> Any:
    """``mean((z - mean(z))**2)`` over all axes but the last, through which gradients flow.

    The forward value is the given one; going back, ``d variance / d z = 2 (z - mean) / N``, N the
    values of a channel. That is one pass over memory where TensorFlow runs Keras on a processor.

    Args:
        z: float32, (..., channels).
        mean: (channels,), of ``z``, as ``batch_normalize`` returns it.
        variance: (channels,), of ``z``.

    Returns:
        (channels,), equal to ``variance``.
    """
    if keras.backend.backend() == "tensorflow":
        return _tensorflow(z, mean, variance)
    found = ops.mean(ops.square(z - ops.mean(z, axis=_axes(z))), axis=_axes(z))
    return variance + (found - ops.stop_gradient(found))


def _axes(z: Any) -> tuple[int, ...]:
    return tuple(range(len(z.shape) - 1))


def _tensorflow(z: Any, mean: Any, variance: Any) -> Any:
    import tensorflow as tf

    channels = z.shape[-1]
    count = tf.cast(tf.size(z) // channels, z.dtype)
    ones, zeros = tf.ones(channels, z.dtype), tf.zeros(channels, z.dtype)

    @tf.custom_gradient
    def known(x: Any) -> Any:
        return tf.identity(variance), lambda upstream: centered(upstream, x)

    @tf.custom_gradient
    def centered(upstream: Any, x: Any) -> Any:
        """``2 / N * upstream * (x - mean)``, by the one operator that does it in one pass."""
        factor = 2 * upstream / count
        images = x if len(x.shape) == 4 else tf.reshape(x, (-1, 1, 1, channels))
        result, *_ = tf.raw_ops.FusedBatchNormV3(
            x=images,
            scale=factor,
            offset=zeros,
            mean=mean,
            variance=ones,
            epsilon=1e-12,  # of which float32 sees nothing beside the variance of one
            is_training=False,
        )

        def second(again: Any) -> Any:
            inner = again - tf.reduce_mean(again, axis=_axes(x))
            to_upstream = 2 / count * tf.reduce_sum(again * (x - mean), axis=_axes(x))
            return to_upstream, inner * factor

        return tf.reshape(result, tf.shape(x)), second

    return known(z)
