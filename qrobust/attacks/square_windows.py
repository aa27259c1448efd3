"""What the Square attack proposes next."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Proposals = Callable[..., Points]

#: Ends of the schedule's stages, as shares of all queries; the area halves at each.
_STAGES = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def window_side(shape: Sequence[int], share: float, progress: float) -> int:
    """Side of the square at some progress in [0, 1], in pixels."""
    share = share / 2 ** sum(progress > end for end in _STAGES)
    height, width = _plane(shape)
    return max(1, round(sqrt(share * height * width)))


def linf_proposals(
    clean: Points,
    current: Points,
    epsilon: float,
    side: int,
    *,
    first: bool,
    rng: np.random.Generator,
) -> Points:
    """Vertical stripes of +-epsilon first, then one square of +-epsilon, a sign per channel.

    Args:
        clean: float64[n, ...].
        current: float64[n, ...], the best so far.
        epsilon: in LSB.
        side: of the square.
        first: whether this is the initialization.
        rng: of the squares.

    Returns:
        float64[n, ...].
    """
    epsilon = float(int(epsilon))
    x, now = _pictures(clean), _pictures(current)
    count, height, width, channels = x.shape
    if first:
        stripes = epsilon * rng.choice([-1.0, 1.0], (count, 1, width, channels))
        if width == 1:
            stripes = epsilon * rng.choice([-1.0, 1.0], x.shape)
        return (x + stripes).reshape(clean.shape)
    high, wide = min(side, height), min(side, width)
    tops = rng.integers(0, height - high + 1, (count, 1, 1, 1))
    lefts = rng.integers(0, width - wide + 1, (count, 1, 1, 1))
    rows, columns = np.arange(height)[:, None, None], np.arange(width)[:, None]
    inside = (rows >= tops) & (rows < tops + high) & (columns >= lefts) & (columns < lefts + wide)
    signs = rng.choice([-1.0, 1.0], (count, 1, 1, channels))
    proposed = np.where(inside, x + epsilon * signs, now)
    # A square that changes nothing is a query wasted: the other sign then.
    same = (proposed == now).all(axis=(1, 2, 3), keepdims=True)
    proposed = np.where(inside & same, x - epsilon * signs, proposed)
    return proposed.reshape(clean.shape)


def l2_proposals(
    clean: Points,
    current: Points,
    epsilon: float,
    side: int,
    *,
    first: bool,
    rng: np.random.Generator,
) -> Points:
    """Bumps tiled over the picture first, then the mass of two windows gathered in one.

    Arguments and result as for `linf_proposals`; the perturbations have norm epsilon before they
    are clipped to the grid.
    """
    x, now = _pictures(clean), _pictures(current)
    propose = _tiles if first else _gathered
    return np.stack(
        [a + propose(b - a, epsilon, side, rng) for a, b in zip(x, now, strict=True)]
    ).reshape(clean.shape)


def _tiles(delta: Points, epsilon: float, side: int, rng: np.random.Generator) -> Points:
    height, width, channels = delta.shape
    size = max(1, min(height, width) // 5)
    delta = np.zeros_like(delta)
    for top in range(0, height, size):
        for left in range(0, width, size):
            part = delta[top : top + size, left : left + size]
            part += _bump(part.shape[0], part.shape[1], rng)[..., None] * rng.choice(
                [-1.0, 1.0], (1, 1, channels)
            )
    return _scaled(delta, epsilon)


def _gathered(delta: Points, epsilon: float, side: int, rng: np.random.Generator) -> Points:
    """Algorithm 3: a new bump in window 1 takes the norm that both windows and the slack held."""
    height, width, channels = delta.shape
    side = max(3, side + (side % 2 == 0))
    high, wide = min(side, height), min(side, width)
    one, two = (
        np.s_[top : top + high, left : left + wide]
        for top, left in zip(
            rng.integers(0, height - high + 1, 2), rng.integers(0, width - wide + 1, 2), strict=True
        )
    )
    union = np.zeros((height, width, 1), bool)
    union[one] = union[two] = True
    slack = max(epsilon**2 - (delta**2).sum(), 0.0)
    mass = (np.where(union, delta, 0) ** 2).sum(axis=(0, 1)) + slack / channels
    sizes = np.sqrt((delta[one] ** 2).sum(axis=(0, 1)))
    fresh = _bump(high, wide, rng)[..., None] * rng.choice([-1.0, 1.0], (1, 1, channels))
    fresh = fresh + delta[one] / np.maximum(sizes, 1e-12)
    fresh *= np.sqrt(mass) / np.maximum(np.sqrt((fresh**2).sum(axis=(0, 1))), 1e-12)
    moved = np.where(union, 0.0, delta)
    moved[one] = fresh
    return _scaled(moved, epsilon)


def _bump(high: int, wide: int, rng: np.random.Generator) -> Points:
    """The paper's eta, one half above the other or beside it."""
    return _eta(high, wide) if rng.random() < 0.5 else _eta(wide, high).T


@lru_cache(maxsize=256)
def _eta(high: int, wide: int) -> Points:
    """Two halves of opposite sign, largest at their middles, of norm 1 together."""
    half = high // 2
    eta = -_pyramid(high, wide)
    if half:
        eta = np.concatenate([_pyramid(half, wide), -_pyramid(high - half, wide)])
    return np.asarray(eta / np.sqrt((eta**2).sum()))


def _pyramid(high: int, wide: int) -> Points:
    """Sums of ``1 / (m + 1)^2`` over centred rectangles: a peak that falls off to the edges."""
    rows = np.minimum(np.arange(high), np.arange(high)[::-1])[:, None]
    columns = np.minimum(np.arange(wide), np.arange(wide)[::-1])
    depth = np.minimum(rows, columns)
    deepest = int(depth.max())
    weights = np.cumsum([1.0 / (deepest - m + 1) ** 2 for m in range(deepest + 1)])
    return np.asarray(weights[depth])


def _scaled(delta: Points, epsilon: float) -> Points:
    return np.asarray(delta * epsilon / max(float(np.sqrt((delta**2).sum())), 1e-12))


def _plane(shape: Sequence[int]) -> tuple[int, int]:
    """Height and width; inputs that are no pictures count as one column."""
    return (shape[0], shape[1]) if len(shape) == 3 else (prod(shape), 1)


def _pictures(x: NDArray[Any]) -> NDArray[Any]:
    return x if x.ndim == 4 else x.reshape(len(x), -1, 1, 1)
