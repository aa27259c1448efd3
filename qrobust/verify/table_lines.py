"""Lines under and over a table, on the part of it that an interval leaves.

A table need not rise, so its lines are the best of two slopes, none and that of the chord, through
the entry that each slope asks for: every entry of the interval is looked at.
"""

from __future__ import annotations

import numpy as np

from qrobust.verify.intervals import Interval
from qrobust.verify.staircase import Lines
from tflite_export.graph import Table
from tflite_export.grid import INT8_MIN, FloatArray, IntArray

# Far above the rounding of the few float64 operations in an intercept, relative to their terms.
_OUTWARD = 2.0**-48
# Different pieces of tables at a time, each 256 entries.
_PIECES = 4096


def table_lines(operator: Table, source: Interval) -> tuple[Lines, Lines]:
    """Return lines below and above a table, in steps from the zero points of both sides.

    Args:
        operator: the table.
        source: of its input, stored integers.
    """
    rows = np.arange(source.low.shape[-1]) if len(operator.entries) > 1 else np.int64(0)
    row = np.broadcast_to(rows, source.low.shape)
    triples = np.stack([row, source.low - INT8_MIN, source.high - INT8_MIN], axis=-1).reshape(-1, 3)
    pieces, places = np.unique(triples, axis=0, return_inverse=True)
    found = [
        _lines(operator, pieces[start : start + _PIECES])
        for start in range(0, len(pieces), _PIECES)
    ]
    both = []
    for side in (0, 1):
        slope = np.concatenate([pair[side].slope for pair in found])[places.reshape(-1)]
        intercept = np.concatenate([pair[side].intercept for pair in found])[places.reshape(-1)]
        shape = source.low.shape
        both.append(Lines(slope.reshape(shape), intercept.reshape(shape)))
    return both[0], both[1]


def _lines(operator: Table, pieces: IntArray) -> tuple[Lines, Lines]:
    row, first, last = pieces.T
    numbers = np.arange(operator.entries.shape[1])
    a = numbers + INT8_MIN - operator.inputs[0].grid.zero_point
    values = operator.entries[row] - operator.output.grid.zero_point
    outside = (numbers < first[:, None]) | (numbers > last[:, None])
    index = np.arange(len(pieces))
    rise = values[index, last] - values[index, first]
    chord = rise / np.maximum(last - first, 1)
    middle = (a[first] + a[last]) / 2
    reach = float(np.abs(a).max() * 256 + np.abs(values).max())
    sides = []
    for sign in (1, -1):
        best: Lines | None = None
        score: FloatArray = np.empty(0)
        for slope in (np.zeros_like(chord), chord):
            gaps = np.where(outside, np.inf, sign * (values - slope[:, None] * a))
            intercept = sign * (gaps.min(axis=1) - _OUTWARD * reach)
            here = sign * (slope * middle + intercept)
            if best is None:
                best, score = Lines(slope, intercept), here
                continue
            better = here > score
            best = Lines(
                np.where(better, slope, best.slope), np.where(better, intercept, best.intercept)
            )
        sides.append(best if best is not None else Lines(middle, middle))
    return sides[0], sides[1]
