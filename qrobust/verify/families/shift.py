"""Position: the picture moved by whole pixels, or a sound by whole frames."""

from __future__ import annotations

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain
from qrobust.verify.families.index_maps import BORDERS, EDGE, IndexMaps


class Shift(IndexMaps):
    """``x'[i, j] = x[i - dy, j - dx]`` for all whole ``|dy|, |dx| <= reach``.

    Args:
        domain: the inputs.
        reach: in pixels, from 1 to below the picture's smaller side.
        border: what comes in, one of `BORDERS`.

    Raises:
        CertifyError: a reach outside that range, or a bad border.
    """

    def __init__(self, domain: Domain, reach: int, border: str = EDGE) -> None:
        super().__init__(domain, border, "shift")
        self._moves = _moves(reach, reach, min(domain.shape[:2]) - 1, "shift")
        self._maps = _maps(self, self._moves)
        self.text = f"shift:{reach}:border={border}"
        self.claim = (
            f"moved by dy rows and dx columns for all whole dy and dx from -{reach} to {reach}; "
            f"border: {BORDERS[border]}"
        )

    def name(self, member: int) -> str:
        """Return the move."""
        dy, dx = self._moves[member]
        return f"shift {dy:+d} rows {dx:+d} columns"


class TimeShift(IndexMaps):
    """``x'[t] = x[t - dt]`` for all whole ``|dt| <= reach`` frames (the first axis).

    Args:
        domain: features of shape (frames, coefficients, ...).
        reach: in frames.
        border: what comes in, one of `BORDERS`.

    Raises:
        CertifyError: a reach outside ``[1, frames)``, or a bad border.
    """

    def __init__(self, domain: Domain, reach: int, border: str = EDGE) -> None:
        super().__init__(domain, border, "time")
        self._moves = _moves(reach, 0, domain.shape[0] - 1, "time")
        self._maps = _maps(self, self._moves)
        self.text = f"time:{reach}:border={border}"
        self.claim = (
            f"moved by dt frames for every whole dt from -{reach} to {reach}; border: "
            f"{BORDERS[border].replace('pixel', 'frame')}; the claim is about features"
        )

    def name(self, member: int) -> str:
        """Return the move."""
        return f"time {self._moves[member][0]:+d} frames"


def _moves(rows: int, columns: int, most: int, name: str) -> list[tuple[int, int]]:
    if not 1 <= rows <= most:
        raise CertifyError(f"{name} takes a whole number from 1 to {most}, received {rows}")
    moves = [(dy, dx) for dy in range(-rows, rows + 1) for dx in range(-columns, columns + 1)]
    return sorted(moves, key=lambda m: (max(abs(m[0]), abs(m[1])), abs(m[0]) + abs(m[1]), m))


def _maps(family: IndexMaps, moves: list[tuple[int, int]]) -> np.ndarray:
    family.check_room(len(moves))
    height, width = family.domain.shape[:2]
    rows, columns = np.divmod(np.arange(height * width), width)
    return np.stack([family.source(rows - dy, columns - dx) for dy, dx in moves])
