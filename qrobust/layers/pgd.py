"""Projected gradient ascent inside an L2 ball: the pure function behind adversarial training."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def pgd_l2(
    log_probabilities: Callable[[Any], Any],
    x: Any,
    labels: Any = None,
    *,
    epsilon: float,
    steps: int,
    low: float,
    high: float,
) -> Any:
    """``delta`` that makes a label unlikely: ``argmax -log p_label(x + delta)``, few steps of it.

    From zero, every step goes ``2 * epsilon / steps`` along the gradient's direction, then back
    into ``low .. high`` and into the ball ``||delta||_2 <= epsilon``. An example whose gradient
    vanishes stays where it is.

    Args:
        log_probabilities: inputs -> (batch, classes).
        x: (batch, ...), between ``low`` and ``high``.
        labels: (batch,) integers; by default the most likely classes at ``x`` itself.
        epsilon: radius of the ball, in the unit of ``x``.
        steps: how many.
        low: smallest input.
        high: largest input.

    Returns:
        ``delta``, a constant to gradients.

    Raises:
        RuntimeError: the backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "An attack in training needs gradients inside a layer, which this package takes from "
            "TensorFlow. Set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    x = ops.convert_to_tensor(x)
    delta = ops.zeros_like(x)
    target = None
    for _ in range(steps):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(delta)
            log_p = log_probabilities(x + delta)
            if target is None:
                chosen = ops.argmax(log_p, axis=-1) if labels is None else labels
                chosen = ops.reshape(chosen, (-1,))
                target = ops.one_hot(ops.cast(chosen, "int32"), log_p.shape[-1], dtype=log_p.dtype)
            loss = -ops.sum(target * log_p)
        gradient = tape.gradient(loss, delta, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        norm = _norm(gradient)
        direction = gradient / ops.where(norm > 0, norm, ops.ones_like(norm))
        delta = ops.clip(x + delta + 2 * epsilon / steps * direction, low, high) - x
        delta = delta * (epsilon / ops.maximum(_norm(delta), epsilon))
    return ops.stop_gradient(delta)


def _norm(x: Any) -> Any:
    axes = tuple(range(1, len(x.shape)))
    return ops.sqrt(ops.sum(ops.square(x), axis=axes, keepdims=True))
