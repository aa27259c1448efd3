"""The integer inputs a deployed model can meet, and balls on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.budget import L0, LINF, PATCH, SPARSE, Budget
from qrobust.certify.smoothings.grid_integers import grid_integers

Integers = NDArray[np.int16]
_HALVINGS = 16


@dataclass(frozen=True)
class PixelGrid:
    """Integers ``low .. high``; the model's real input is ``step * integer``.

    Attributes:
        low: least integer (LSB).
        high: greatest integer (LSB).
        step: real value of one LSB.
    """

    low: int = 0
    high: int = 255
    step: float = 1.0

    def __post_init__(self) -> None:
        """Refuse empty grids."""
        if not (self.low < self.high and self.step > 0):
            raise ValueError(
                f"A grid needs low < high and a positive step. Received: low={self.low}, "
                f"high={self.high}, step={self.step}"
            )

    @property
    def span(self) -> int:
        """Width in LSB."""
        return self.high - self.low

    def integers(self, x: NDArray[Any]) -> Integers:
        """Inputs as grid integers; floats are real values and rounded, ``floor(x / step + 1/2)``.

        Raises:
            CertifyError: a ValueError; no numbers, values off the grid, or in other units than its.
        """
        return grid_integers(
            x,
            low=self.low,
            high=self.high,
            step=self.step,
            where="x",
            batch=True,
            hint="for a model that reads 0 to 1, grid=PixelGrid(step=2**-8)",
        )

    def real(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Grid integers (or points between them) as the model's real inputs."""
        return np.asarray(x, np.float32) * np.float32(self.step)


def project(x: Integers, wanted: NDArray[Any], budget: Budget | None, grid: PixelGrid) -> Integers:
    """The integer inputs inside the ball that stand for the points an attack wants.

    L-inf: nearest integer, clipped to ``x - epsilon .. x + epsilon`` and the grid. L2: with
    ``delta = wanted - x``, the perturbation ``round(s * delta)`` with the largest ``s`` for which
    its norm exceeds neither ``epsilon`` nor ``||delta||``. Truncation toward ``x`` would also stay
    inside, but throws away most of a small perturbation spread over many pixels. L1, L0, patches:
    the nearest integers, which have to lie inside: other attacks are not made for them.

    Args:
        x: int16[n, ...], clean inputs.
        wanted: float or integer [n, ...], LSB.
        budget: the ball; None for the grid alone.
        grid: of the inputs.

    Returns:
        int16[n, ...]; integers inside the ball come back as they are.
    """
    wanted = np.asarray(wanted, np.float64)
    if budget is None:
        return _int16(np.rint(np.clip(wanted, grid.low, grid.high)))
    if budget.norm in SPARSE:
        candidates = _int16(np.rint(np.clip(wanted, grid.low, grid.high)))
        verify(x, candidates, budget, grid)  # nothing is "nearest" there: attacks stay inside
        return candidates
    if budget.norm == LINF:
        reach = int(min(budget.epsilon, grid.span))
        low, high = np.maximum(x - reach, grid.low), np.minimum(x + reach, grid.high)
        return _int16(np.clip(np.rint(wanted), low, high))
    shape = (len(x),) + (1,) * (x.ndim - 1)
    axes = tuple(range(1, x.ndim))
    delta = np.clip(wanted, grid.low, grid.high) - x
    limit = np.minimum((delta**2).sum(axes), budget.epsilon**2)

    def rounded(scale: NDArray[np.float64]) -> NDArray[np.float64]:
        # np.rint never moves a larger |s * delta| to a smaller integer: the norm is monotone in s.
        return np.asarray(
            np.clip(np.rint(scale.reshape(shape) * delta), grid.low - x, grid.high - x)
        )

    inside = np.zeros(len(x))
    largest = np.abs(delta).max(axes)
    outside = (np.sqrt(limit) + 1) / np.maximum(largest, 1e-9)
    whole = (rounded(np.ones(len(x))) ** 2).sum(axes) <= limit
    inside, outside = np.where(whole, 1.0, inside), np.where(whole, outside, np.minimum(outside, 1))
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        fits = (rounded(middle) ** 2).sum(axes) <= limit
        inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
    return _int16(x + rounded(inside))


def _int16(values: NDArray[np.float64]) -> Integers:
    integers: Integers = values.astype(np.int16)
    return integers


def random_start(
    x: Integers, budget: Budget, grid: PixelGrid, rngs: Sequence[np.random.Generator]
) -> NDArray[np.float64]:
    """Points drawn evenly from the ball, float64[n, ...], clipped to the grid; one rng an image."""
    delta = np.stack([_inside(x.shape[1:], budget, rng) for rng in rngs])
    return np.clip(x + delta, grid.low, grid.high)


def _inside(
    shape: tuple[int, ...], budget: Budget, rng: np.random.Generator
) -> NDArray[np.float64]:
    if budget.norm == LINF:
        return rng.uniform(-budget.epsilon, budget.epsilon, shape)
    delta = rng.normal(size=shape)
    length = budget.epsilon * rng.uniform() ** (1 / delta.size)
    return np.asarray(delta * length / max(float(np.sqrt((delta**2).sum())), 1e-12))


def violations(
    x: Integers, adversarial: NDArray[Any], budget: Budget | None, grid: PixelGrid
) -> int:
    """How many adversarial inputs are off the grid or outside the ball; exact in integers."""
    axes = tuple(range(1, x.ndim))
    adversarial = np.asarray(adversarial)
    off = (adversarial < grid.low) | (adversarial > grid.high)
    off |= adversarial != np.rint(adversarial)
    bad = off.any(axes)
    if budget is not None:
        delta = adversarial.astype(np.int64) - x
        if budget.norm in SPARSE:
            bad |= sizes(x, adversarial.astype(np.int64), budget.norm) > budget.epsilon
        elif budget.norm == LINF:
            bad |= np.abs(delta).max(axes) > budget.epsilon
        else:
            bad |= (delta**2).sum(axes) > budget.epsilon**2
    return int(bad.sum())


def verify(x: Integers, adversarial: NDArray[Any], budget: Budget | None, grid: PixelGrid) -> None:
    """Raise `ValueError` unless every adversarial input is on the grid and inside the ball."""
    bad = violations(x, adversarial, budget, grid)
    if bad:
        where = "the grid" if budget is None else f"the grid or the ball {budget}"
        raise ValueError(f"{bad} of {len(x)} adversarial inputs are outside {where}.")


def distances(x: Integers, adversarial: Integers) -> dict[str, NDArray[np.float64]]:
    """Size of each perturbation: ``l0`` in changed values, ``l1``, ``l2`` and ``linf`` in LSB."""
    delta = np.abs(adversarial.astype(np.int64) - x).reshape(len(x), -1)
    return {
        "l0": np.count_nonzero(delta, axis=1).astype(np.float64),
        "l1": delta.sum(axis=1).astype(np.float64),
        "l2": np.sqrt((delta**2).sum(axis=1)),
        "linf": delta.max(axis=1).astype(np.float64),
    }


def sizes(x: Integers, adversarial: NDArray[Any], norm: str) -> NDArray[np.float64]:
    """Size of each perturbation as a budget measures it, float64[n].

    L0 counts pixels, whatever changes in them; a patch is the side of the least square around all
    changed pixels.
    """
    if norm not in (L0, PATCH):
        return distances(x, np.asarray(adversarial, np.int16))[norm]
    changed = (np.asarray(adversarial) != x).reshape(len(x), pixels_of(x.shape[1:]), -1).any(2)
    if norm == L0:
        return np.asarray(changed.sum(axis=1), np.float64)
    places = changed.reshape(len(x), x.shape[1], -1)
    return np.maximum(_extent(places.any(axis=2)), _extent(places.any(axis=1)))


def _extent(hit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """From the first to the last, float64[n]; 0 where there is none."""
    length = hit.shape[1] - hit.argmax(axis=1) - hit[:, ::-1].argmax(axis=1)
    return np.where(hit.any(axis=1), length, 0).astype(np.float64)


def pixels_of(shape: tuple[int, ...]) -> int:
    """How many pixels an input has: rows times columns, or numbers of a vector."""
    return int(np.prod(shape[:2])) if len(shape) > 1 else int(np.prod(shape))
