"""The nearest point of another class, by a short minimal-norm attack inside training."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

_TINY = 1e-12


def nearest_boundary(
    logits: Callable[[Any], Any],
    x: Any,
    *,
    steps: int,
    overshoot: float,
    low: float,
    high: float,
) -> Any:
    r"""``delta`` just beyond the boundary between a model's two first classes.

    DeepFool's step, towards the runner-up c of the model's own class a, taken anew at every point::

        delta <- delta + (z_a - z_c) / ||g||^2 * g,   g = d (z_c - z_a) / d x

    until c is ahead; an example that is across stays there. The total, times ``1 + overshoot``, is
    clipped to ``low .. high``.

    Args:
        logits: inputs -> (batch, classes).
        x: (batch, ...), between ``low`` and ``high``.
        steps: at most.
        overshoot: share added to the perturbation.
        low: smallest input.
        high: largest input.

    Returns:
        ``delta`` of x's shape, a constant to gradients. Where the gradient vanishes it is 0.

    Raises:
        RuntimeError: the backend is not TensorFlow.

    Source:
        Moosavi-Dezfooli et al., DeepFool, CVPR 2016, algorithm 2 (which looks at all classes).
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "An attack in training needs gradients inside a layer, which this package takes from "
            "TensorFlow. Set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    x = ops.convert_to_tensor(x)
    axes = tuple(range(1, len(x.shape)))
    delta, own = ops.zeros_like(x), None
    for _ in range(steps):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(delta)
            z = logits(x + delta)
            if own is None:
                own = ops.one_hot(ops.argmax(z, axis=-1), z.shape[-1], dtype=z.dtype)
            other = ops.max(z - 1e9 * own, axis=-1)
            ahead = ops.sum(z * own, axis=-1) - other
            total = -ops.sum(ahead)
        slope = tape.gradient(total, delta, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        square = ops.sum(ops.square(slope), axis=axes, keepdims=True)
        gap = ops.reshape(ops.maximum(ahead, 0.0), (-1,) + (1,) * len(axes))
        usable = square > _TINY
        step = gap / ops.where(usable, square, ops.ones_like(square)) * slope
        delta = delta + ops.where(usable, step, ops.zeros_like(step))
        delta = ops.clip(x + (1 + overshoot) * delta, low, high) - x
        delta = delta / (1 + overshoot)
    return ops.stop_gradient(ops.clip(x + (1 + overshoot) * delta, low, high) - x)
