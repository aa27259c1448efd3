"""Projected gradient ascent inside a ball: the pure function behind adversarial training."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

#: Balls that an attack in training can stay in.
NORMS = ("l2", "linf")


def pgd(
    log_probabilities: Callable[[Any], Any],
    x: Any,
    labels: Any = None,
    *,
    epsilon: float,
    steps: int,
    low: float,
    high: float,
    norm: str = "l2",
) -> Any:
    """``delta`` that makes a label unlikely: ``argmax -log p_label(x + delta)``, few steps of it.

    From zero, every step goes ``2 * epsilon / steps`` along the gradient's direction (L2) or its
    signs (L-inf), then back into ``low .. high`` and into the ball ``||delta|| <= epsilon``. An
    example whose gradient vanishes stays where it is.

    Args:
        log_probabilities: inputs -> (batch, classes).
        x: (batch, ...), between ``low`` and ``high``.
        labels: (batch,) integers; by default the most likely classes at ``x`` itself.
        epsilon: radius of the ball, in the unit of ``x``.
        steps: how many.
        low: smallest input.
        high: largest input.
        norm: "l2" or "linf".

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
        moved = x + delta + 2 * epsilon / steps * _direction(gradient, norm)
        delta = _into_ball(ops.clip(moved, low, high) - x, epsilon, norm)
    return ops.stop_gradient(delta)


def _direction(gradient: Any, norm: str) -> Any:
    if norm == "linf":
        return ops.sign(gradient)
    length = _length(gradient)
    return gradient / ops.where(length > 0, length, ops.ones_like(length))


def _into_ball(delta: Any, epsilon: float, norm: str) -> Any:
    if norm == "linf":
        return ops.clip(delta, -epsilon, epsilon)
    return delta * (epsilon / ops.maximum(_length(delta), epsilon))


def _length(x: Any) -> Any:
    axes = tuple(range(1, len(x.shape)))
    return ops.sqrt(ops.sum(ops.square(x), axis=axes, keepdims=True))
