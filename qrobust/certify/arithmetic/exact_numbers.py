"""Exact numbers from what people type, and back."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from typing import TypeAlias

from qrobust.certify.arithmetic.errors import CertifyError

#: A number whose decimal text is meant: ``0.001`` is one thousandth, not the nearest double.
Exact: TypeAlias = str | int | float | Decimal | Fraction


def rational(value: Exact, name: str) -> Fraction:
    """Return the exact value of the shortest decimal text of ``value``.

    Args:
        value: a number, or text such as ``"0.001"`` or ``"1/1000"``.
        name: what it is, for the error message.

    Raises:
        CertifyError: the value is no finite number.
    """
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise CertifyError(f"{name} must be a finite number, received {value!r}") from None


def text(value: Fraction) -> str:
    """Return the shortest exact text: a decimal where one ends, else ``"p/q"``."""
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = value.numerator * 10**places // value.denominator
    return f"{Decimal(digits).scaleb(-places, Context(prec=len(str(digits)) + 1)):f}"


def text_above(value: Fraction, digits: int = 3) -> str:
    """Return a decimal of few digits that is not below ``value``."""
    context = Context(prec=digits, rounding=ROUND_CEILING)
    return str(context.divide(Decimal(value.numerator), Decimal(value.denominator)))
