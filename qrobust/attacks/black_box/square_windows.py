"""What the Square attack proposes next."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.generators import Generators
from qrobust.attacks.ground.pixel_grid import PixelGrid

Points = NDArray[np.float64]

#: Ends of the schedule's stages, as shares of all queries; the area halves at each.
_STAGES = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


def window(shape: Sequence[int], share: float, progress: float) -> tuple[int, int]:
    """Height and width of the window at some progress in [0, 1], in pixels.

    A square of ``share * pixels`` (halved on the paper's schedule); where it is higher or wider
    than the input, the other side is widened until the area is that. Vectors are one column.
    """
    height, width = _plane(shape)
    area = share / 2 ** sum(progress > end for end in _STAGES) * height * width
    side = max(1, round(sqrt(area)))
    if side > height:
        return height, min(width, max(1, round(area / height)))
    if side > width:
        return min(height, max(1, round(area / width))), width
    return side, side


def linf_proposals(
    clean: Points,
    current: Points,
    epsilon: float,
    sides: tuple[int, int] | None,
    grid: PixelGrid,
    rngs: Generators,
) -> Points:
    """Vertical stripes of +-epsilon first, then one window of +-epsilon, a sign per channel.

    Args:
        clean: float64[n, ...].
        current: float64[n, ...], the best so far.
        epsilon: in LSB.
        sides: height and width of the window; None for the initialization.
        grid: proposals are clipped to it.
        rngs: of the windows, one an image.

    Returns:
        float64[n, ...]; never equal to ``current``.
    """
    epsilon = float(int(epsilon))
    pairs = zip(_pictures(clean), _pictures(current), rngs, strict=True)
    return np.stack([_patched(x, now, epsilon, sides, grid, rng) for x, now, rng in pairs]).reshape(
        clean.shape
    )


def _patched(
    x: Points,
    now: Points,
    epsilon: float,
    sides: tuple[int, int] | None,
    grid: PixelGrid,
    rng: np.random.Generator,
) -> Points:
    height, width, channels = x.shape
    if sides is None:
        rows = 1 if width > 1 else height
        stripes = epsilon * rng.choice([-1.0, 1.0], (rows, width, channels))
        return np.clip(x + stripes, grid.low, grid.high)
    part = _somewhere(height, width, sides, rng)
    signs = epsilon * rng.choice([-1.0, 1.0], (1, 1, channels))
    patch = np.clip(x[part] + signs, grid.low, grid.high)
    if (patch == now[part]).all():  # a query wasted: the other sign
        patch = np.clip(x[part] - signs, grid.low, grid.high)
    proposed = now.copy()
    proposed[part] = patch
    return proposed


def l2_proposals(
    clean: Points,
    current: Points,
    epsilon: float,
    sides: tuple[int, int] | None,
    grid: PixelGrid,
    rngs: Generators,
) -> Points:
    """Bumps tiled over the picture first, then the mass of two windows gathered in one.

    Arguments and result as for `linf_proposals`; the perturbations have norm epsilon before they
    are clipped to the grid, and may by chance repeat ``current``.
    """
    proposed = []
    for x, now, rng in zip(_pictures(clean), _pictures(current), rngs, strict=True):
        if sides is None:
            delta = _tiles(x.shape, rng)
        else:
            delta = _gathered(now - x, epsilon, sides, rng)
        proposed.append(x + _scaled(delta, epsilon))
    clipped = np.clip(np.stack(proposed), grid.low, grid.high)
    return np.asarray(clipped.reshape(clean.shape))


def _tiles(shape: tuple[int, ...], rng: np.random.Generator) -> Points:
    height, width, channels = shape
    size = max(1, min(height, width) // 5)
    delta = np.zeros(shape)
    for top in range(0, height, size):
        for left in range(0, width, size):
            part = delta[top : top + size, left : left + size]
            part += _bump(part.shape[0], part.shape[1], rng)[..., None] * rng.choice(
                [-1.0, 1.0], (1, 1, channels)
            )
    return delta


def _gathered(
    delta: Points, epsilon: float, sides: tuple[int, int], rng: np.random.Generator
) -> Points:
    """Algorithm 3: a new bump in window 1 takes the norm that both windows and the slack held."""
    height, width, channels = delta.shape
    odd = tuple(max(3, side + (side % 2 == 0)) for side in sides)
    sides = min(odd[0], height), min(odd[1], width)
    one, two = (_somewhere(height, width, sides, rng) for _ in range(2))
    union = np.zeros((height, width, 1), bool)
    union[one] = union[two] = True
    slack = max(epsilon**2 - (delta**2).sum(), 0.0)
    mass = (np.where(union, delta, 0) ** 2).sum(axis=(0, 1)) + slack / channels
    sizes = np.sqrt((delta[one] ** 2).sum(axis=(0, 1)))
    fresh = _bump(*sides, rng)[..., None] * rng.choice([-1.0, 1.0], (1, 1, channels))
    fresh = fresh + delta[one] / np.maximum(sizes, 1e-12)
    fresh *= np.sqrt(mass) / np.maximum(np.sqrt((fresh**2).sum(axis=(0, 1))), 1e-12)
    moved = np.where(union, 0.0, delta)
    moved[one] = fresh
    return moved


def _somewhere(
    height: int, width: int, sides: tuple[int, int], rng: np.random.Generator
) -> tuple[slice, slice]:
    high, wide = sides
    top, left = rng.integers(0, height - high + 1), rng.integers(0, width - wide + 1)
    return slice(top, top + high), slice(left, left + wide)


def _bump(high: int, wide: int, rng: np.random.Generator) -> Points:
    """The paper's eta, one half above the other or beside it."""
    return eta(high, wide) if rng.random() < 0.5 else eta(wide, high).T


@lru_cache(maxsize=256)
def eta(high: int, wide: int) -> Points:
    """Two halves of opposite sign and equal norm, one above the other, of norm 1 together.

    Each half is the paper's sum over growing rectangles: with the centre at (h // 2, w // 2)
    counted from 0, ``n = max(h, w) // 2`` and Chebyshev distance d from the centre, a pixel holds
    ``sum_{k=0}^{n-d} 1 / (n + 1 - k)^2``. The paper has squares; inputs too narrow for one take the
    same formula.

    Source:
        Andriushchenko et al., Square Attack, ECCV 2020, section 3.4 and the authors' code.
    """
    half = high // 2
    parts = [_pyramid(half, wide)] if half else []
    whole = np.concatenate([*parts, -_pyramid(high - half, wide)])
    return np.asarray(whole / np.sqrt((whole**2).sum()))


def _pyramid(high: int, wide: int) -> Points:
    rows = np.abs(np.arange(high) - high // 2)[:, None]
    columns = np.abs(np.arange(wide) - wide // 2)
    n = max(high, wide) // 2
    sums = np.cumsum([1.0 / (n + 1 - k) ** 2 for k in range(n + 1)])
    peak = sums[n - np.maximum(rows, columns)]
    return np.asarray(peak / np.sqrt((peak**2).sum()))


def _scaled(delta: Points, epsilon: float) -> Points:
    return np.asarray(delta * epsilon / max(float(np.sqrt((delta**2).sum())), 1e-12))


def _plane(shape: Sequence[int]) -> tuple[int, int]:
    """Height and width; inputs that are no pictures count as one column."""
    return (shape[0], shape[1]) if len(shape) == 3 else (prod(shape), 1)


def _pictures(x: NDArray[Any]) -> NDArray[Any]:
    return x if x.ndim == 4 else x.reshape(len(x), -1, 1, 1)
