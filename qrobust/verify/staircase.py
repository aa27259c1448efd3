"""Lines under and over a rounding, saturating staircase.

Every operator that rounds computes ``g(a) = clamp(floor(a / 2**shift + 1/2))`` of an integer a. On
an interval of a it has a best line of any slope from below: the line through the right end of one
of its steps. Only three steps can be that one, so the intercept is a minimum of three numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrobust.verify.intervals import Interval
from tflite_export.grid import FloatArray, IntArray, round_shift

#: Shifts beyond these say nothing more: 31-bit accumulators round to 0, or leave any grid.
_SHIFTS = (-40, 50)
#: Far above the rounding of the few float64 operations in an intercept, relative to their terms.
_OUTWARD = 2.0**-48


@dataclass(frozen=True, eq=False)
class Staircase:
    """``g(a) = clip(floor(a / 2**shift + 1/2), minimum, maximum)``.

    Attributes:
        shift: int64, broadcasts against a.
        minimum: of the result, in steps from the zero point.
        maximum: likewise.
    """

    shift: IntArray
    minimum: int
    maximum: int

    def at(self, a: IntArray) -> IntArray:
        """g, int64."""
        return np.clip(round_shift(a, self._shift), self.minimum, self.maximum)

    @property
    def _shift(self) -> IntArray:
        return np.clip(self.shift, *_SHIFTS)

    def last(self, value: IntArray) -> IntArray:
        """Return the largest a whose rounded value, before the clip, is at most ``value``."""
        shift = self._shift
        right = np.maximum(shift, 1)
        rounded = ((value + 1) << right) - (np.int64(1) << (right - 1)) - 1
        return np.where(shift >= 1, rounded, value >> np.maximum(-shift, 0))


@dataclass(frozen=True, eq=False)
class Lines:
    """``slope * a + intercept``, below g or above it, for every integer a of an interval.

    Attributes:
        slope: float64, at least 0 but for tables.
        intercept: float64, rounded outwards.
    """

    slope: FloatArray
    intercept: FloatArray


def lines(steps: Staircase, a: Interval) -> tuple[Lines, Lines]:
    """Return lines below and above a staircase on an interval.

    Of three slopes (none, that of the stairs, that of the chord) each number takes the one whose
    line is best in the middle of its interval.

    Args:
        steps: the staircase.
        a: int64 ends.
    """
    low, high = steps.at(a.low), steps.at(a.high)
    first_right = np.where(low < steps.maximum, np.minimum(steps.last(low), a.high), a.high)
    last_right = np.maximum(steps.last(high - 1), a.low)
    # Right ends of the first step and of the last but one, and the end of the interval.
    below = np.stack([first_right, np.where(high > low, last_right, a.high), a.high])
    first_left = np.minimum(first_right + 1, a.high)
    last_left = np.where(high > low, steps.last(high - 1) + 1, a.low)
    above = np.stack([a.low, np.minimum(first_left, a.high), np.maximum(last_left, a.low)])
    chord = (high - low) / np.maximum(a.high - a.low, 1)
    stairs = np.broadcast_to(np.exp2(-np.clip(steps.shift, *_SHIFTS).astype(float)), chord.shape)
    middle = (a.low + a.high) / 2
    slopes = (np.zeros_like(chord), chord, stairs)
    return (
        _best(steps, below, slopes, middle, sign=1),
        _best(steps, above, slopes, middle, sign=-1),
    )


def _best(
    steps: Staircase,
    points: IntArray,
    slopes: tuple[FloatArray, ...],
    middle: FloatArray,
    *,
    sign: int,
) -> Lines:
    """The lines of the best slope; sign 1: below g through one of the points, -1: above."""
    values = steps.at(points)
    reach = np.abs(points).max(axis=0)
    height = np.abs(values).max(axis=0)
    best: Lines | None = None
    score: NDArray[np.float64] = np.empty(0)
    for slope in slopes:
        intercept = sign * (sign * (values - slope * points)).min(axis=0)
        intercept = intercept - sign * _OUTWARD * (height + slope * reach)
        here = sign * (slope * middle + intercept)
        if best is None:
            best, score = Lines(slope, intercept), here
            continue
        better = here > score
        best = Lines(
            np.where(better, slope, best.slope), np.where(better, intercept, best.intercept)
        )
        score = np.maximum(here, score)
    return best if best is not None else Lines(middle, middle)
