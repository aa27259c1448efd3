"""Carlini and Wagner's L2 attack with CleverHans's objective, searched image by image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts, check_positive
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import Target, TensorTarget, check_tensors, errs

_INFINITE = 1e10


def carlini_wagner(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    searches: int = 5,
    steps: int = 100,
    learning_rate: float = 0.1,
    constant: float = 1.0,
    confidence: float = 0.0,
    name: str = "CW-L2",
) -> Attacked:
    r"""The smallest L2 perturbation that fools the model, in integers.

    .. math:: \min_w \|\delta\|_2^2 + c \max(0, z_y - \max_{j \ne y} z_j + \kappa)

    with the input a tanh of ``w``, Adam, and a binary search over ``c`` for each image. Distances
    are on the [0, 1] scale inside the objective, as in the paper. Every step is rounded to the
    grid and counts only if the integer input fools the model.

    CleverHans 4.0 has ``carlini_wagner_l2``, which fails on labels given as integers: it takes any
    ``y`` for the target of a *targeted* attack, then raises in its own optimizer's reset
    (``optimizer.variables()`` is a property in Keras 3), and with more than one image gives ``c``
    the shape of the images, which broadcasts against a loss per image only by luck. Its objective
    and its tanh are right: they are used here; the search around them is this function.

    Args:
        target: a Keras model, or a smoothed one.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        searches: values of ``c`` for each image.
        steps: of Adam for each ``c``.
        learning_rate: of Adam's first step, in tanh space; it falls linearly, so that the search
            ends on the boundary and does not swing across it.
        constant: first ``c``.
        confidence: margin kappa, in logits, that the other class must have: no candidate with
            less is returned. Images that the model errs on without an attack stay as they are.
        name: in reports.

    Raises:
        ValueError: no searches or steps, a negative confidence, a learning rate or constant that
            is not positive.

    Source:
        Carlini and Wagner, Towards Evaluating the Robustness of Neural Networks, S&P 2017.
    """
    source = check_tensors(target, name)
    check_counts(name, searches=searches, steps=steps)
    check_positive(name, learning_rate=learning_rate, constant=constant)
    if not confidence >= 0:
        raise ValueError(f"{name} needs a confidence >= 0. Received: {confidence=}")
    search = Search(source, x, y, None, confidence=confidence)
    standing = search.standing
    for start in range(0, len(standing), source.batch):
        rows = standing[start : start + source.batch]
        _minimize(search, source, rows, searches, steps, learning_rate, constant, confidence)
    return search.result(name)


def _minimize(
    search: Search,
    source: TensorTarget,
    rows: NDArray[np.intp],
    searches: int,
    steps: int,
    learning_rate: float,
    constant: float,
    confidence: float,
) -> None:
    grid = search.grid
    unit = (search.x[rows] - grid.low) / grid.span
    # Inside (-1, 1), where the tanh has an inverse, by less than half an LSB. CleverHans goes as
    # near as 1e-6, where it is so flat that Adam hardly moves a black pixel.
    w0 = np.arctanh((2 * unit - 1) * 0.999).astype(np.float32)
    descend = _gradient_function(source, confidence)
    labels = np.eye(source.classes, dtype=np.float32)[search.y[rows]]
    c = np.full(len(rows), constant, np.float32)
    low, high = np.zeros(len(rows)), np.full(len(rows), _INFINITE)
    for _ in range(searches):
        w, first, second = w0, np.zeros_like(w0), np.zeros_like(w0)
        fooled = np.zeros(len(rows), bool)
        for step in range(1, steps + 1):
            gradient, point = descend(w, w0, labels, c)
            search.count(rows)
            gradient = np.nan_to_num(np.asarray(gradient))
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            falling = learning_rate * (1 - (step - 1) / steps)
            rate = np.float32(falling * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step))
            w = w - rate * first / (np.sqrt(second) + 1e-8)
            wanted = grid.low + grid.span * np.asarray(point)
            logits = search.offer(rows, wanted)
            fooled |= errs(logits, search.y[rows], confidence)
        high = np.where(fooled, np.minimum(high, c), high)
        low = np.where(fooled, low, np.maximum(low, c))
        c = np.where(high < _INFINITE, (low + high) / 2, 10 * c).astype(np.float32)


def _gradient_function(source: TensorTarget, confidence: float) -> Any:
    import tensorflow as tf
    from cleverhans.tf2.attacks.carlini_wagner_l2 import clip_tanh, loss_fn

    grid = source.grid

    @tf.function(reduce_retracing=True)
    def descend(w: Any, w0: Any, labels: Any, c: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(w)
            point = clip_tanh(w, 0.0, 1.0)
            loss, _ = loss_fn(
                x=w0,
                x_new=point,
                y_true=labels,
                y_pred=source.model_fn(grid.low + grid.span * point),
                confidence=confidence,
                const=c,
            )
        return tape.gradient(loss, w), point

    return descend
