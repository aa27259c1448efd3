from fractions import Fraction
from math import floor

import numpy as np
import pytest

from qrobust.audio import quantize_features


@pytest.mark.parametrize("exponent", [-3, -1, 0, 2])
def test_rounds_half_up_and_saturates(exponent):
    values = [n / 16 for n in range(-8_000, 8_000, 7)] + [n + 0.5 for n in range(-130, 130)]
    step = Fraction(2) ** exponent
    wanted = [
        min(127, max(-128, floor(Fraction(value) / step + Fraction(1, 2)))) for value in values
    ]
    got = quantize_features(np.array(values), exponent)
    assert got.dtype == np.int8
    assert got.tolist() == wanted


def test_default_grid_and_shape():
    got = quantize_features(np.array([[0.25, -0.25], [1e9, -np.inf]], np.float32))
    np.testing.assert_array_equal(got, [[1, 0], [127, -128]])


def test_values_of_the_grid_are_kept():
    q = np.arange(-128, 128)
    np.testing.assert_array_equal(quantize_features(q * 2.0**-5, -5), q)


@pytest.mark.parametrize("exponent", [0.5, "0", True, None])
def test_bad_exponent(exponent):
    with pytest.raises(ValueError, match="exponent="):
        quantize_features(np.zeros(3), exponent)


def test_not_a_number():
    with pytest.raises(ValueError, match="NaN"):
        quantize_features(np.array([0.0, np.nan]))
