"""DeepFool: the nearest linearized decision boundary, step by step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import Target, TensorTarget, check_tensors, cost, runners_up


def deepfool(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    steps: int = 50,
    overshoot: float = 0.02,
    classes: int = 10,
    name: str = "DeepFool",
) -> Attacked:
    r"""Move to the nearest of the linearized boundaries until the model errs.

    With ``f_k = z_k - z_y`` and ``w_k`` its gradient, each step adds
    ``|f_l| / ||w_l||^2 * w_l`` for the class ``l`` with the least ``-f_l / ||w_l||``. The
    total, times ``1 + overshoot``, is rounded to the grid; the overshoot grows, and where the
    rounded input holds on the boundary or beyond it, so does the perturbation: by a twentieth of
    its length, at least by half an LSB.

    Args:
        target: a Keras model, or a smoothed one.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        steps: at most.
        overshoot: share added to the perturbation.
        classes: the most likely ones that are looked at.
        name: in reports.

    Source:
        Moosavi-Dezfooli et al., DeepFool, CVPR 2016, algorithm 2.
    """
    source = check_tensors(target, name)
    check_counts(name, steps=steps)
    search = Search(source, x, y, None)
    rows = search.standing
    clean = search.x[rows].astype(np.float64)
    total = np.zeros_like(clean)
    differences = _differences(source)
    # The runner-up classes of the clean image, as in the paper; the true one comes first, also
    # where another ties with it.
    others = runners_up(search.logits, search.y)[rows, : max(1, classes - 1)]
    order = np.concatenate([search.y[rows, None], others], axis=1)
    for step in range(steps):
        if not len(rows):
            break
        # More and more, so that a rounding never holds an image on its side of the boundary.
        grown = 1 + overshoot * (1 + step)
        z = np.clip(clean + grown * total, search.grid.low, search.grid.high)
        values, gradients = differences(z, order)
        flat = gradients.reshape(*gradients.shape[:2], -1)
        norms = np.sqrt((flat**2).sum(axis=2))
        usable = norms > 1e-12
        norms = np.where(usable, norms, 1.0)
        # L2 distance to each boundary in LSB; negative beyond it.
        away = np.where(usable, -values / norms, np.inf)
        nearest = away.argmin(axis=1)
        pick = np.arange(len(rows))
        away, norms = away[pick, nearest], norms[pick, nearest]
        so_far = np.sqrt((total.reshape(len(rows), -1) ** 2).sum(axis=1))
        # On the boundary or beyond it, only the rounding or a tie still holds the image.
        length = np.where(away > 0, away + 1e-4 / norms, np.maximum(0.5, so_far / 20))
        # A plateau (gradient zero) would send the step to infinity.
        length = np.where(np.isfinite(away), np.minimum(length, search.grid.span), 0.0)
        push = flat[pick, nearest] * (length / norms)[:, None]
        total += push.reshape(total.shape)
        search.queries[rows] += cost(source)
        search.offer(rows, clean + grown * total)
        stands = ~search.fallen[rows]
        rows, clean, total, order = rows[stands], clean[stands], total[stands], order[stands]
    return search.result(name)


def _differences(source: TensorTarget) -> Any:
    """``z_k - z_y`` and its gradients for the classes of an order, y first, batch by batch."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def compute(x: Any, order: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            chosen = tf.gather(source.model_fn(x), order, axis=1, batch_dims=1)
            parts = tf.unstack(chosen[:, 1:] - chosen[:, :1], axis=1)
        gradients = tf.stack([tape.gradient(part, x) for part in parts], axis=1)
        return tf.stack(parts, axis=1), gradients

    def batched(x: NDArray[Any], order: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        pieces = [
            compute(
                tf.constant(x[i : i + source.batch], tf.float32),
                tf.constant(order[i : i + source.batch]),
            )
            for i in range(0, len(x), source.batch)
        ]
        values, gradients = zip(*pieces, strict=True)
        source.queries += cost(source) * len(x)
        return (
            np.nan_to_num(np.concatenate(values).astype(np.float64)),
            np.nan_to_num(np.concatenate(gradients).astype(np.float64)),
        )

    return batched
