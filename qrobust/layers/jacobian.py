"""Squared Frobenius norms of Jacobians: pure functions behind the regularizers."""

from typing import Any

import keras
from keras import ops


def dense_jacobian(kernel: Any, derivative: Any) -> Any:
    """``sum_i phi'(z_i)**2 * ||W_i||**2``, its mean over the examples, of ``a = phi(x W)``.

    Args:
        kernel: (inputs, units).
        derivative: ``phi'(z)``, (batch, ..., units), or what broadcasts against it.

    Returns:
        A scalar: the mean squared Frobenius norm of ``d a / d x``.
    """
    return _mean_over_examples(ops.sum(ops.square(kernel), axis=0), derivative)


def conv_jacobian(kernel: Any, derivative: Any, *, shape: tuple[int, ...], **geometry: Any) -> Any:
    """The same for a convolution; taps that fall into the padding count for nothing.

    Args:
        kernel: (height, width, inputs, filters).
        derivative: ``phi'(z)``, (batch, height, width, filters); or 1.0.
        shape: (height, width) of the layer's input.
        **geometry: strides, padding and dilation_rate of the convolution.
    """
    squared = ops.sum(ops.square(kernel), axis=2, keepdims=True)
    per_position = ops.conv(ops.ones((1, *shape, 1)), squared, **geometry)
    return _mean_over_examples(per_position, derivative)


def depthwise_jacobian(
    kernel: Any, derivative: Any, *, shape: tuple[int, ...], **geometry: Any
) -> Any:
    """The same for a depthwise convolution.

    Args:
        kernel: (height, width, inputs, multiplier).
        derivative: ``phi'(z)``, (batch, height, width, inputs * multiplier); or 1.0.
        shape: (height, width) of the layer's input.
        **geometry: strides, padding and dilation_rate of the convolution.
    """
    height, width, inputs, multiplier = kernel.shape
    squared = ops.reshape(ops.square(kernel), (height, width, 1, inputs * multiplier))
    per_position = ops.conv(ops.ones((1, *shape, 1)), squared, **geometry)
    return _mean_over_examples(per_position, derivative)


def _mean_over_examples(weights: Any, derivative: Any) -> Any:
    """``mean_batch sum weights * derivative**2``; the batch first, for one pass over it."""
    if isinstance(derivative, float):
        return ops.sum(weights) * derivative**2
    return ops.sum(weights * ops.mean(ops.square(derivative), axis=0))


def logits_jacobian(function: Any, inputs: Any, *, projections: int, generator: Any) -> Any:
    """``||d logits / d x||**2`` per example (Hoffman et al. 2019, section 2.3).

    ``C * mean ||grad_x (v . z)||**2`` over ``projections`` draws of v, uniform on the unit sphere
    of the C logits: unbiased. With -1 projections, exact: the sum over all C unit vectors.

    Args:
        function: inputs -> logits (batch, C).
        inputs: (batch, ...).
        projections: number of draws, or -1.
        generator: a ``keras.random.SeedGenerator``.

    Returns:
        The logits, and the estimate of shape (batch,).

    Raises:
        RuntimeError: Keras does not run on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "The logits' Jacobian needs gradients inside a layer, which this package takes from "
            "TensorFlow. Set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        logits = function(inputs)
        classes = logits.shape[-1]
        if projections == -1:
            products = [logits[:, c] for c in range(classes)]
        else:
            products = [
                ops.sum(_unit_vectors(logits, generator) * logits, axis=-1)
                for _ in range(projections)
            ]
    gradients = [tape.gradient(product, inputs) for product in products]
    del tape
    total = sum(_sum_examples(ops.square(gradient)) for gradient in gradients)
    return logits, total if projections == -1 else total * (classes / projections)


def _unit_vectors(like: Any, generator: Any) -> Any:
    v = keras.random.normal(ops.shape(like), dtype=like.dtype, seed=generator)
    return v / ops.sqrt(ops.sum(ops.square(v), axis=-1, keepdims=True))


def _sum_examples(x: Any) -> Any:
    return ops.sum(x, axis=tuple(range(1, len(x.shape))))
