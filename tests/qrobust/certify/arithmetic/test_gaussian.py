from fractions import Fraction

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrobust.certify.arithmetic.gaussian import cdf_floor


def oracle(x, bits):
    with mpmath.workprec(600):
        value = mpmath.ncdf(mpmath.mpf(x.numerator) / x.denominator)
        return int(mpmath.floor(mpmath.ldexp(value, bits)))


@given(st.fractions(-15, 15, max_denominator=10**6), st.sampled_from([1, 16, 48, 80]))
def test_equals_the_exact_floor(x, bits):
    assert cdf_floor(x, bits) == oracle(x, bits)


@pytest.mark.parametrize("bits", [1, 48, 80, 200])
def test_tails_and_centre(bits):
    assert cdf_floor(Fraction(0), bits) == 1 << (bits - 1)
    assert cdf_floor(Fraction(10**9), bits) == (1 << bits) - 1
    assert cdf_floor(Fraction(-(10**9)), bits) == 0


def test_the_shortcut_in_the_tail_agrees_with_the_series():
    for tenths in range(100, 112):  # the shortcut starts at x^2 = 112
        x = Fraction(tenths, 10)
        assert cdf_floor(x, 80) == oracle(x, 80)


def test_needs_a_bit():
    with pytest.raises(ValueError, match="bits must be at least 1, received 0"):
        cdf_floor(Fraction(1), 0)
