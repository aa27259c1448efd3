from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational, text, text_above, whole


@pytest.mark.parametrize("value", [0.001, "0.001", "1e-3", Decimal("0.001"), "1/1000"])
def test_decimal_text_is_meant(value):
    assert rational(value, "alpha") == Fraction(1, 1000)


@pytest.mark.parametrize("value", ["nan", float("inf"), "abc", None, "1/0", ""])
def test_refuses_what_is_no_number(value):
    with pytest.raises(CertifyError, match="alpha must be a finite number"):
        rational(value, "alpha")


@given(st.fractions(-(10**20), 10**20, max_denominator=10**11))
def test_text_is_exact(value):
    assert rational(text(value), "x") == value


@pytest.mark.parametrize(
    "value",
    ["1e999999999", "1e-9999999", "1E+31", "1" * 65, "1" * 33, f"1/{10**32}", "0." + "1" * 60],
)
def test_refuses_absurd_numbers_at_once(value):
    with pytest.raises(CertifyError, match="alpha must"):
        rational(value, "alpha")


def test_a_long_decimal_becomes_a_fraction():
    assert text(Fraction(1, 2**40)) == f"1/{2**40}"
    assert rational("1e-30", "x") == Fraction(1, 10**30)


@pytest.mark.parametrize("value", [5, np.int64(5), np.uint8(5)])
def test_whole_takes_every_integer(value):
    found = whole(value, "n", 0)
    assert (found, type(found)) == (5, int)


@pytest.mark.parametrize("value", [5.0, "5", True, np.float32(5), None, np.bool_(True)])
def test_whole_refuses_what_is_none(value):
    with pytest.raises(CertifyError, match="n must be an integer, received"):
        whole(value, "n", 0)
    with pytest.raises(CertifyError, match="n must be in .0, 4., received 5"):
        whole(5, "n", 0, 4)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(64), "64"),
        (Fraction(1, 1000), "0.001"),
        (Fraction(1, 3), "1/3"),
        (Fraction(-5, 4), "-1.25"),
        (Fraction(10**20), "1" + "0" * 20),
    ],
)
def test_text(value, expected):
    assert text(value) == expected


@given(st.fractions(0, 1))
def test_text_above_is_never_below(value):
    assert Fraction(text_above(value)) >= value
