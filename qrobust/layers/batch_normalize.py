"""Batch normalization as one function: the arithmetic that plain and folded layers share."""

from functools import lru_cache
from typing import Any

import keras
from keras import ops

# Added to every variance: a channel that is constant must divide by something.
_TINY = 1e-12


def batch_normalize(z: Any, scale: Any, offset: Any, epsilon: Any) -> tuple[Any, Any, Any]:
    """``(z - mean) / sqrt(variance + epsilon) * scale + offset`` over all axes but the last.

    Args:
        z: float32, (..., channels).
        scale: (channels,).
        offset: (channels,).
        epsilon: (channels,), added to the variances.

    Returns:
        The result, and the batch's mean and variance, through which no gradient flows.
    """
    if keras.backend.backend() == "tensorflow" and not _has_gpu():
        return _fused(z, scale, offset, epsilon)
    y, mean, variance = _plain(z, scale, offset, epsilon)
    return y, ops.stop_gradient(mean), ops.stop_gradient(variance)


def _plain(z: Any, scale: Any, offset: Any, epsilon: Any) -> tuple[Any, Any, Any]:
    # Not ops.moments: TensorFlow's keeps the mean inside the variance constant to gradients, which
    # is right for the first of them only.
    axes = tuple(range(len(z.shape) - 1))
    mean = ops.mean(z, axis=axes)
    variance = ops.mean(ops.square(z - mean), axis=axes)
    y = (z - mean) * (scale / ops.sqrt(variance + epsilon + _TINY)) + offset
    return y, mean, variance


@lru_cache(maxsize=1)
def _has_gpu() -> bool:
    """Where the fused gradient would want the inverse of what it wants on a processor."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _fused(z: Any, scale: Any, offset: Any, epsilon: Any) -> tuple[Any, Any, Any]:
    """TensorFlow's operators, which cross the memory once or twice where plain ones do ten times.

    They know one epsilon for all channels. Ours differ, so they go in with the variances. The
    gradient of the gradient, which a penalty on a Jacobian asks for, is that of the plain ones.
    """
    import tensorflow as tf

    images = z if len(z.shape) == 4 else tf.reshape(z, (-1, 1, 1, z.shape[-1]))
    still = tf.stop_gradient(images)
    ones = tf.ones(z.shape[-1], z.dtype)
    _, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=still, scale=ones, offset=ones, mean=[], variance=[], epsilon=_TINY, is_training=True
    )
    # The operator corrects variances for the sample's size; Keras's batch norm does not.
    count = tf.cast(tf.size(z) // z.shape[-1], z.dtype)
    variance = variance * ((count - 1) / count)

    @tf.custom_gradient
    def normalized(x: Any, scale: Any, offset: Any, epsilon: Any) -> Any:
        y, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance + tf.stop_gradient(epsilon),
            epsilon=_TINY,
            is_training=False,
        )
        return y, lambda upstream: gradient(upstream, x, scale, offset, epsilon)

    @tf.custom_gradient
    def gradient(upstream: Any, x: Any, scale: Any, offset: Any, epsilon: Any) -> Any:
        spread = variance + tf.stop_gradient(epsilon)
        to_x, to_scale, to_offset, *_ = tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=upstream,
            x=x,
            scale=scale,
            reserve_space_1=mean,
            reserve_space_2=spread,
            reserve_space_3=[],
            epsilon=_TINY,
            is_training=True,
        )
        # d y / d epsilon = -1/2 (y - offset) / spread
        to_epsilon = -0.5 * scale * to_scale / (spread + _TINY)

        def second(*upstreams: Any) -> Any:
            given = [tf.convert_to_tensor(v) for v in (upstream, x, scale, offset, epsilon)]
            with tf.GradientTape() as outer:
                outer.watch(given)
                with tf.GradientTape() as inner:
                    inner.watch(given[1:])
                    y, *_ = _plain(*given[1:])
                first = inner.gradient(y, given[1:], output_gradients=given[0])
            return outer.gradient(
                first, given, upstreams, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )

        return (to_x, to_scale, to_offset, to_epsilon), second

    # Tensors, not variables, which a custom gradient would have to answer for.
    channels = [tf.convert_to_tensor(value) for value in (scale, offset, epsilon)]
    y = normalized(images, *channels)
    return tf.reshape(y, tf.shape(z)), mean, variance
