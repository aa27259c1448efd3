"""Batch normalization as one function: the arithmetic that plain and folded layers share."""

from functools import lru_cache
from typing import Any

import keras
from keras import ops

from qrobust.layers.fused_batch_norm import TINY, fused_batch_norm


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
        return fused_batch_norm(z, scale, offset, epsilon)
    y, mean, variance = _plain(z, scale, offset, epsilon)
    return y, ops.stop_gradient(mean), ops.stop_gradient(variance)


def _plain(z: Any, scale: Any, offset: Any, epsilon: Any) -> tuple[Any, Any, Any]:
    # Not ops.moments: TensorFlow's keeps the mean inside the variance constant to gradients, which
    # is right for the first of them only.
    axes = tuple(range(len(z.shape) - 1))
    mean = ops.mean(z, axis=axes)
    variance = ops.mean(ops.square(z - mean), axis=axes)
    y = (z - mean) * (scale / ops.sqrt(variance + epsilon + TINY)) + offset
    return y, mean, variance


@lru_cache(maxsize=1)
def _has_gpu() -> bool:
    """Where the fused gradient would want the inverse of what it wants on a processor."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
