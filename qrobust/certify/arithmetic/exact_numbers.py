"""Exact numbers from what people type and files hold, bounded in length; and back."""

from __future__ import annotations

import operator
import re
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from qrobust.certify.arithmetic.errors import CertifyError

#: A number whose decimal text is meant: ``0.001`` is one thousandth, not the nearest double.
Exact: TypeAlias = str | int | float | Decimal | Fraction

# A short text can name a number that takes minutes to write out: "1e999999999".
_MOST_TEXT = 64
_MOST_EXPONENT = 30
_MOST_VALUE = 10**32
_MOST_PLACES = 30
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)\s*$")


def rational(value: Exact, name: str) -> Fraction:
    """Return the exact value of the shortest decimal text of ``value``.

    Args:
        value: a number, or text such as ``"0.001"`` or ``"1/1000"``.
        name: what it is, for the error message.

    Raises:
        CertifyError: the value is no finite number, or one of absurd length or exponent.
    """
    text = str(value)
    if len(text) > _MOST_TEXT:
        raise CertifyError(f"{name} must be a number of at most {_MOST_TEXT} characters")
    if not text.isascii() or "_" in text:  # digits to Python, not below
        raise CertifyError(f"{name} must be a finite number, received {value!r}")
    exponent = _EXPONENT.search(text)
    if exponent and abs(int(exponent[1])) > _MOST_EXPONENT:
        raise CertifyError(f"{name} must have an exponent within {_MOST_EXPONENT}, received {text}")
    try:
        number = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise CertifyError(f"{name} must be a finite number, received {value!r}") from None
    if max(abs(number.numerator), number.denominator) >= _MOST_VALUE:
        raise CertifyError(f"{name} must have at most 32 digits above and below, received {text}")
    return number


def whole(value: Any, name: str, least: int, most: int | None = None) -> int:
    """Return an integer of any kind as Python's own, which cannot overflow.

    Args:
        value: an ``int`` or NumPy integer; no float, no bool.
        name: what it is, for the error message.
        least: smallest value allowed.
        most: largest, or None.

    Raises:
        CertifyError: another type, or out of range.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise CertifyError(f"{name} must be an integer, received {value!r}") from None
    if number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise CertifyError(f"{name} must be {allowed}, received {number}")
    return number


def text(value: Fraction) -> str:
    """Return the shortest exact text: a decimal where one ends, else ``"p/q"``."""
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1 or max(twos, fives) > _MOST_PLACES:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = value.numerator * 10**places // value.denominator
    return f"{Decimal(digits).scaleb(-places, Context(prec=len(str(digits)) + 1)):f}"


def text_above(value: Fraction, digits: int = 3) -> str:
    """Return a decimal of few digits that is not below ``value``."""
    context = Context(prec=digits, rounding=ROUND_CEILING)
    return str(context.divide(Decimal(value.numerator), Decimal(value.denominator)))
