"""Steps of gradient attacks on real points: directions of ascent, and back into the ball."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.budget import LINF, NORMS, Budget
from qrobust.attacks.ground.pixel_grid import PixelGrid

Points = NDArray[np.float64]


def direction(gradients: NDArray[Any], norm: str) -> Points:
    """Steepest ascent of length 1: the sign (L-inf) or the gradient over its L2 norm.

    Args:
        gradients: [n, ...]; what is not finite moves nothing.
        norm: ``"linf"`` or ``"l2"``.
    """
    if norm not in NORMS:
        raise ValueError(f"Gradients walk in {' or '.join(NORMS)}. Received: {norm!r}")
    gradients = np.nan_to_num(np.asarray(gradients, np.float64))
    if norm == LINF:
        return np.asarray(np.sign(gradients))
    axes = tuple(range(1, gradients.ndim))
    # Scaled first: squares of tiny or huge gradients leave float64's range.
    gradients = gradients / np.maximum(np.abs(gradients).max(axes, keepdims=True), 1e-300)
    unit = gradients / np.maximum(np.sqrt((gradients**2).sum(axes, keepdims=True)), 1e-12)
    return np.asarray(unit)


def into_ball(z: Points, x: NDArray[Any], budget: Budget, grid: PixelGrid) -> Points:
    """Real points moved to the nearest ones in the ball around ``x``, then clipped to the grid.

    Args:
        z: float64[n, ...], LSB.
        x: [n, ...], the clean inputs.
        budget: the ball.
        grid: of the inputs.
    """
    delta = z - x
    if budget.norm == LINF:
        moved = x + np.clip(delta, -budget.epsilon, budget.epsilon)
    else:
        axes = tuple(range(1, x.ndim))
        length = np.sqrt((delta**2).sum(axes, keepdims=True))
        moved = x + delta * np.minimum(1, budget.epsilon / np.maximum(length, 1e-12))
    return np.asarray(np.clip(moved, grid.low, grid.high))
