"""Candidates of a sparse search: few numbers, few pixels, or a patch, and what lies near each."""

from __future__ import annotations

from copy import copy

import numpy as np

from qrobust.attacks.ground.pixel_grid import Integers, PixelGrid, pixels_of


class FewNumbers:
    """L1: numbers of the input in an order, each moved to an end of the grid while budget is left.

    Args:
        x: int16[*shape], the clean image.
        size: L1 budget in LSB.
        grid: of the image.
        rng: of all draws.
    """

    def __init__(self, x: Integers, size: int, grid: PixelGrid, rng: np.random.Generator) -> None:
        self._x, self._size, self._grid, self._rng = x, size, grid, rng
        self._order = rng.permutation(x.size)
        self._up = rng.random(x.size) < 0.5

    def picture(self) -> Integers:
        """The candidate, int16[*shape]."""
        flat = self._x.ravel().astype(np.int64)
        room = np.where(self._up, self._grid.high - flat, flat - self._grid.low)[self._order]
        before = np.cumsum(room) - room
        step = np.clip(self._size - before, 0, room)
        moved = flat.copy()
        moved[self._order] += np.where(self._up[self._order], step, -step)
        return moved.reshape(self._x.shape).astype(np.int16)

    def changed(self, progress: float) -> FewNumbers:
        """Some numbers to the front, each with a direction of its own."""
        del progress
        other = copy(self)
        other._order, other._up = self._order.copy(), self._up.copy()
        chosen = int(self._rng.integers(len(self._order)))
        place = int(self._rng.integers(self._moved()))
        number = other._order[chosen]
        rest = np.delete(other._order, chosen)
        other._order = np.insert(rest, min(place, len(rest)), number)
        other._up[number] = self._rng.random() < 0.5
        return other

    def _moved(self) -> int:
        """How many numbers are changed, at least 1."""
        return max(1, int((self.picture() != self._x).sum()))


class FewPixels:
    """L0: some pixels, each number of which is at an end of the grid; arguments as above.

    Raises:
        ValueError: more pixels than the picture has.
    """

    def __init__(self, x: Integers, size: int, grid: PixelGrid, rng: np.random.Generator) -> None:
        pixels = pixels_of(x.shape)
        if size > pixels:
            raise ValueError(f"L0 of {size} pixels: the pictures have {pixels}.")
        self._x, self._grid, self._rng = x, grid, rng
        self._chosen = rng.choice(pixels, size, replace=False)
        self._content = self._draw(size)

    def _draw(self, count: int) -> Integers:
        width = self._x.size // pixels_of(self._x.shape)
        ends = np.array([self._grid.low, self._grid.high], np.int16)
        return np.asarray(self._rng.choice(ends, (count, width)), np.int16)

    def picture(self) -> Integers:
        """The candidate, int16[*shape]."""
        changed = self._x.copy()
        changed.reshape(pixels_of(self._x.shape), -1)[self._chosen] = self._content
        return changed

    def changed(self, progress: float) -> FewPixels:
        """A share of the pixels drawn again, ever smaller: places, contents or both."""
        other = copy(self)
        other._chosen, other._content = self._chosen.copy(), self._content.copy()
        size = len(self._chosen)
        part = max(1, round(size * 0.5 * (1 - progress) ** 3))
        some = self._rng.choice(size, part, replace=False)
        other._content[some] = self._draw(part)
        free = np.setdiff1d(np.arange(pixels_of(self._x.shape)), self._chosen)
        if len(free) >= part and self._rng.random() < 0.8:
            other._chosen[some] = self._rng.choice(free, part, replace=False)
        return other


class Patch:
    """A square of pixels somewhere in the picture, its content at the ends of the grid.

    Args: as `FewNumbers`; ``size`` is the side.

    Raises:
        ValueError: no rows and columns, or a square that does not fit.
    """

    def __init__(self, x: Integers, size: int, grid: PixelGrid, rng: np.random.Generator) -> None:
        if x.ndim < 2 or size > min(x.shape[:2]):
            raise ValueError(f"A patch of {size} x {size} does not fit pictures of {x.shape}.")
        self._x, self._size, self._grid, self._rng = x, size, grid, rng
        self._place = self._somewhere()
        ends = np.array([grid.low, grid.high], np.int16)
        # Stripes: what squares of one colour are made from.
        colours = rng.choice(ends, (1, size, *x.shape[2:]))
        self._content = np.repeat(colours, size, axis=0)

    def _somewhere(self) -> tuple[int, int]:
        height, width = self._x.shape[:2]
        top = int(self._rng.integers(height - self._size + 1))
        return top, int(self._rng.integers(width - self._size + 1))

    def picture(self) -> Integers:
        """The candidate, int16[*shape]."""
        changed, (top, left) = self._x.copy(), self._place
        changed[top : top + self._size, left : left + self._size] = self._content
        return changed

    def changed(self, progress: float) -> Patch:
        """Another place, or a square of the content in another colour."""
        other = copy(self)
        if self._rng.random() < 0.3:
            other._place = self._somewhere()
            return other
        other._content = self._content.copy()
        side = max(1, round(self._size * (1 - progress) * 0.7))
        row, column = self._rng.integers(self._size - side + 1, size=2)
        ends = np.array([self._grid.low, self._grid.high], np.int16)
        colour = self._rng.choice(ends, self._x.shape[2:])
        other._content[row : row + side, column : column + side] = colour
        return other
