"""Spread activations: where the factor of four goes when 4-bit weights have no room for it.

A sum of a tensor with itself, written on half of its step, holds ``4 (q - zero_point)`` and rounds
nothing. A layer that reads it has accumulators ``4 acc``; with a bias of ``4 b + 1`` they are what
the layer would have from weights ``4 w``, and the weights stay ``w``, 4 bits of them.
"""

from tflite_export.grid import INT8_MAX, INT8_MIN, Grid

#: What every integer of a spread tensor is a multiple of, less the zero point.
SPREAD = 4


def spread_grid(grid: Grid) -> Grid | None:
    """The grid of ``x + x`` that holds four times the integers of ``x``; None where int8 cannot.

    The largest integer becomes 127, so that a saturating kernel cuts what lies above the grid of
    ``x`` to its largest integer, too.
    """
    zero_point = INT8_MAX - SPREAD * (grid.maximum - grid.zero_point)
    lowest = zero_point - SPREAD * (grid.zero_point - grid.minimum)
    if lowest < INT8_MIN:
        return None
    # Without a clip where one would need an operator of its own.
    return Grid(grid.exponent - 1, zero_point, zero_point if grid.is_unsigned else INT8_MIN)


def spreads(source: Grid, total: Grid) -> bool:
    """Whether a sum of a tensor with itself holds four times its integers, none of them cut."""
    low, high = (SPREAD * (q - source.zero_point) for q in (source.minimum, source.maximum))
    fits = total.minimum <= total.zero_point + low and total.zero_point + high <= total.maximum
    return fits and total.exponent == source.exponent - 1
