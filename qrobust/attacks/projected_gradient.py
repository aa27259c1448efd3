"""Projected gradient descent with restarts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.budget import LINF, Budget
from qrobust.attacks.grid import random_start
from qrobust.attacks.search import Attacked, Search
from qrobust.attacks.target import CROSS_ENTROPY, MARGIN, Target, check_gradients


def projected_gradient(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget,
    *,
    steps: int = 40,
    restarts: int = 4,
    step: float | None = None,
    losses: Sequence[str] = (CROSS_ENTROPY, MARGIN),
    seed: int = 0,
    name: str = "PGD",
) -> Attacked:
    """Ascend the loss inside the ball: ``z <- P(z + step * direction(gradient))``.

    The direction is the gradient's sign (L-inf) or the gradient over its L2 norm. The gradient is
    taken at the integer input nearest to ``z``, while ``z`` itself stays real, so that steps far
    under 1 LSB add up. An image that fell is left alone. CleverHans's own PGD draws its starts
    from TensorFlow's global generator and goes on with images that fell; a test compares both.

    Args:
        target: shows gradients.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball.
        steps: of each restart.
        restarts: the first from the clean image, the others from random points of the ball.
        step: in LSB; ``2.5 * epsilon / steps`` by default.
        losses: restarts take them in turn.
        seed: of the starts.
        name: in reports.

    Source:
        Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018.
    """
    source = check_gradients(target)
    if steps < 1 or restarts < 1:
        raise ValueError(f"PGD needs steps and restarts. Received: {steps=}, {restarts=}")
    search = Search(source, x, y, budget)
    rng = np.random.default_rng(seed)
    step = 2.5 * budget.epsilon / steps if step is None else step
    for restart in range(restarts):
        rows = search.standing
        if not len(rows):
            break
        clean = search.x[rows]
        start = clean if restart == 0 else random_start(clean, budget, search.grid, rng)
        _ascend(search, start.astype(np.float64), steps, step, losses[restart % len(losses)])
    return search.result(name, seed)


def _ascend(search: Search, z: NDArray[np.float64], steps: int, step: float, loss: str) -> None:
    budget = search.budget
    if budget is None:
        raise ValueError("PGD needs a budget.")
    rows = search.standing
    for _ in range(steps):
        _, gradients = search.offer_for_gradient(rows, z, loss)
        stands = ~search.fallen[rows]
        rows, z = rows[stands], z[stands]
        if not len(rows):
            return
        z = into_ball(z + step * direction(gradients[stands], budget.norm), search.x[rows], budget)
        z = np.clip(z, search.grid.low, search.grid.high)
    search.offer(rows, z)


def direction(gradients: NDArray[Any], norm: str) -> NDArray[np.float64]:
    """Steepest ascent of length 1: the sign (L-inf) or the gradient over its L2 norm."""
    gradients = np.nan_to_num(np.asarray(gradients, np.float64))
    if norm == LINF:
        return np.sign(gradients)
    axes = tuple(range(1, gradients.ndim))
    # Scaled first: squares of tiny or huge gradients leave float64's range.
    gradients = gradients / np.maximum(np.abs(gradients).max(axes, keepdims=True), 1e-300)
    return gradients / np.maximum(np.sqrt((gradients**2).sum(axes, keepdims=True)), 1e-12)


def into_ball(z: NDArray[np.float64], x: NDArray[Any], budget: Budget) -> NDArray[np.float64]:
    """Real points moved to the nearest ones in the ball around ``x``."""
    delta = z - x
    if budget.norm == LINF:
        return np.asarray(x + np.clip(delta, -budget.epsilon, budget.epsilon))
    axes = tuple(range(1, x.ndim))
    length = np.sqrt((delta**2).sum(axes, keepdims=True))
    return np.asarray(x + delta * np.minimum(1, budget.epsilon / np.maximum(length, 1e-12)))
