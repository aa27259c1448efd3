from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_export.grid import Grid, round_shift


@given(acc=st.integers(-(2**40), 2**40), shift=st.integers(-20, 30))
def test_round_shift_is_floor_of_a_half_more(acc, shift):
    exact = floor(Fraction(acc) / Fraction(2) ** shift + Fraction(1, 2))
    assert round_shift(np.array([acc]), shift)[0] == exact


@given(bits=st.integers(1, 8), exponent=st.integers(-12, 4))
def test_unsigned_grid_is_quantized_relu(bits, exponent):
    grid = Grid.unsigned(bits, exponent)
    assert (grid.low, grid.high) == (0.0, (2**bits - 1) * 2.0**exponent)
    assert (grid.maximum, grid.zero_point) == (127, 128 - 2**bits)
    assert grid.bits == bits


@given(bits=st.integers(2, 8), exponent=st.integers(-12, 4), symmetric=st.booleans())
def test_signed_grid_is_quantized_bits(bits, exponent, symmetric):
    grid = Grid.signed(bits, exponent, symmetric=symmetric)
    half = 2 ** (bits - 1)
    assert grid.low == (-half + symmetric) * 2.0**exponent
    assert grid.high == (half - 1) * 2.0**exponent
    assert not grid.is_unsigned


@given(bits=st.integers(2, 8), exponent=st.integers(-8, 4), data=st.data())
def test_quantize_inverts_dequantize_on_every_integer(bits, exponent, data):
    grid = data.draw(st.sampled_from([Grid.unsigned(bits, exponent), Grid.signed(bits, exponent)]))
    q = np.arange(grid.minimum, grid.maximum + 1)
    assert np.array_equal(grid.quantize(grid.dequantize(q)), q)


def test_quantize_rounds_halves_up_and_saturates():
    grid = Grid.signed(8, 0)
    real = [-200.0, -1.5, -0.5, 0.5, 1.5, 200.0]
    assert grid.quantize(real).tolist() == [-128, -1, 0, 1, 2, 127]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Grid.unsigned(9, 0), "bits=9"),
        (lambda: Grid.signed(1, 0), "bits=1"),
        (lambda: Grid(0, 0, 10, 5), "minimum=10"),
        (lambda: Grid(0, -5, 0, 5), "zero_point=-5"),
    ],
)
def test_impossible_grids_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
