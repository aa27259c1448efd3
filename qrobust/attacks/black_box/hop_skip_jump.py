"""HopSkipJump: an attack that sees decisions only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.arguments import check_counts
from qrobust.attacks.ground.ball import direction
from qrobust.attacks.ground.budget import L2, LINF, Budget
from qrobust.attacks.ground.generators import Generators, generators, of
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.ground.target import Target

_Points = NDArray[np.float64]
_Rows = NDArray[np.intp]
_HALVINGS = 10


def hop_skip_jump(
    target: Target,
    x: NDArray[Any],
    y: NDArray[Any],
    budget: Budget | None,
    *,
    norm: str = L2,
    iterations: int = 10,
    samples: int = 50,
    seed: int = 0,
    name: str = "HopSkipJump",
) -> Attacked:
    """Walk along the decision boundary toward the clean image, asking for labels only.

    Starts from the nearest image that the model gives another label, else from noise. Each
    iteration estimates the boundary's normal from ``samples * sqrt(t)`` labels, steps along it,
    and returns to the boundary by bisection. The sampling distance is at least 1 LSB a pixel:
    smaller ones are lost in the rounding to the grid. As it starts from other images, what it
    finds depends on them.

    Args:
        target: needs no gradients; its labels are all that is used.
        x: [n, *shape], grid integers or real values.
        y: [n], true classes.
        budget: the ball; None for the smallest perturbation.
        norm: to make small where there is no budget.
        iterations: how many.
        samples: labels for the first estimate.
        seed: of the directions, with the image's position.
        name: in reports.

    Raises:
        ValueError: no iterations or samples, an unknown norm.

    Source:
        Chen et al., HopSkipJumpAttack, S&P 2020, algorithm 2.
    """
    check_counts(name, iterations=iterations)
    check_counts(name, 2, samples=samples)
    norm = norm if budget is None else budget.norm
    search = Search(target, x, y, budget, norm=norm)
    rngs = generators(seed, len(search.x))
    rows, points = _starts(search, rngs)
    points = _to_boundary(search, rows, points, norm)
    for iteration in range(1, iterations + 1):
        search.offer(rows, points)
        if budget is not None:
            stands = ~search.fallen[rows]
            rows, points = rows[stands], points[stands]
        if not len(rows):
            break
        count = int(samples * np.sqrt(iteration))
        normal = _normal(search, rows, points, count, norm, of(rngs, rows))
        points = _step(search, rows, points, normal, iteration, norm)
        points = _to_boundary(search, rows, points, norm)
    if len(rows):
        search.offer(rows, points)
    return search.result(name, seed)


def _fools(search: Search, rows: _Rows, points: _Points) -> NDArray[np.bool_]:
    fools: NDArray[np.bool_] = search.ask(rows, points).argmax(axis=1) != search.y[rows]
    return fools


def _starts(search: Search, rngs: Generators) -> tuple[_Rows, _Points]:
    """A point with another label for every image that stands, where one was found."""
    rows = search.standing
    labels = search.logits.argmax(axis=1)
    flat = search.x.reshape(len(search.x), -1).astype(np.float64)
    points = search.x[rows].astype(np.float64)
    found = np.zeros(len(rows), bool)
    for i, row in enumerate(rows):
        others = np.flatnonzero(labels != search.y[row])
        if len(others):
            nearest = others[((flat[others] - flat[row]) ** 2).sum(axis=1).argmin()]
            points[i], found[i] = search.x[nearest], True
    for _ in range(10):
        missing = np.flatnonzero(~found)
        if not len(missing):
            break
        ends = search.grid.low, search.grid.high + 1
        drawn = [rng.integers(*ends, search.x.shape[1:]) for rng in of(rngs, rows[missing])]
        noise = np.stack(drawn).astype(np.float64)
        fools = _fools(search, rows[missing], noise)
        points[missing[fools]], found[missing[fools]] = noise[fools], True
    return rows[found], points[found]


def _blend(clean: _Points, points: _Points, share: NDArray[np.float64], norm: str) -> _Points:
    """Points pulled to the clean image: the share of their L2 distance, or of their L-inf box."""
    share = share.reshape(-1, *(1,) * (clean.ndim - 1))
    delta = points - clean
    if norm != LINF:
        return np.asarray(clean + share * delta)
    reach = share * np.abs(delta).max(axis=tuple(range(1, clean.ndim)), keepdims=True)
    return np.asarray(clean + np.clip(delta, -reach, reach))


def _to_boundary(search: Search, rows: _Rows, points: _Points, norm: str) -> _Points:
    """Bisection between the clean image and points that fool the model; results fool it too."""
    clean = search.x[rows].astype(np.float64)
    low, high = np.zeros(len(rows)), np.ones(len(rows))
    for _ in range(_HALVINGS if len(rows) else 0):
        middle = (low + high) / 2
        fools = _fools(search, rows, _blend(clean, points, middle, norm))
        high, low = np.where(fools, middle, high), np.where(fools, low, middle)
    return _blend(clean, points, high, norm)


def _normal(
    search: Search, rows: _Rows, points: _Points, count: int, norm: str, rngs: Generators
) -> _Points:
    """Direction in which labels change to wrong ones, of length 1 in its norm."""
    axes = tuple(range(1, points.ndim))
    delta = np.sqrt(((points - search.x[rows]) ** 2).mean(axes)) / 10
    scale = np.maximum(delta, 1.0).reshape(-1, *(1,) * points.ndim)
    total = np.zeros_like(points)
    group = max(1, (1 << 22) // (count * points[0].size))
    for start in range(0, len(rows), group):
        part = np.s_[start : start + group]
        noise = np.stack([rng.normal(size=(count, *points.shape[1:])) for rng in rngs[part]])
        asked = np.clip(points[part][:, None] + scale[part] * noise, *_range(search))
        noise = (np.rint(asked) - points[part][:, None]) / scale[part]
        repeated = np.repeat(rows[part], count)
        fools = _fools(search, repeated, asked.reshape(-1, *points.shape[1:]))
        signs = np.where(fools, 1.0, -1.0).reshape(-1, count)
        # Labels all alike say nothing but which side this is; else the mean is the baseline.
        mean = signs.mean(axis=1, keepdims=True)
        weights = np.where(np.abs(mean) == 1, signs, signs - mean)
        total[part] = np.einsum("mc,mc...->m...", weights, noise)
    return direction(total, norm)


def _step(
    search: Search, rows: _Rows, points: _Points, normal: _Points, iteration: int, norm: str
) -> _Points:
    """The longest of ``distance / sqrt(t) * 2**-k`` along the normal that fools the model."""
    delta = np.abs(points - search.x[rows]).reshape(len(rows), -1)
    size = delta.max(axis=1) if norm == LINF else np.sqrt((delta**2).sum(axis=1))
    length = size / np.sqrt(iteration)
    stepped, open_ = points.copy(), np.arange(len(rows))
    for _ in range(_HALVINGS):
        if not len(open_):
            break
        reach = length[open_].reshape(-1, *(1,) * (points.ndim - 1))
        tried = np.clip(points[open_] + reach * normal[open_], *_range(search))
        fools = _fools(search, rows[open_], tried)
        stepped[open_[fools]] = tried[fools]
        open_ = open_[~fools]
        length[open_] /= 2
    return stepped


def _range(search: Search) -> tuple[int, int]:
    return search.grid.low, search.grid.high
