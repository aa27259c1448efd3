from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational, text, text_above


@pytest.mark.parametrize("value", [0.001, "0.001", "1e-3", Decimal("0.001"), "1/1000"])
def test_decimal_text_is_meant(value):
    assert rational(value, "alpha") == Fraction(1, 1000)


@pytest.mark.parametrize("value", ["nan", float("inf"), "abc", None, "1/0", ""])
def test_refuses_what_is_no_number(value):
    with pytest.raises(CertifyError, match="alpha must be a finite number"):
        rational(value, "alpha")


@given(st.fractions())
def test_text_is_exact(value):
    assert rational(text(value), "x") == value


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
