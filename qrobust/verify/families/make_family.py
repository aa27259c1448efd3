"""Families from what people type: ``light:32``, ``contrast:.8..1.25:pivot=128``, ``a*b``."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.verify.domain import Domain
from qrobust.verify.families.contrast import Contrast
from qrobust.verify.families.family import Family
from qrobust.verify.families.gamma import Gamma
from qrobust.verify.families.index_maps import EDGE
from qrobust.verify.families.light import Gain, Light
from qrobust.verify.families.product import Product
from qrobust.verify.families.rotate import Rotate
from qrobust.verify.families.shift import Shift, TimeShift

_Options = dict[str, str]
_Maker = Callable[[Domain, str, _Options], Family]


def make_family(text: str, domain: Domain) -> Family:
    """Return the family that a text names.

    Args:
        text: ``NAME:RANGE[:OPTION=VALUE]``, several joined by ``*`` for their product.
        domain: the inputs.

    Raises:
        CertifyError: an unknown name or option, or a range that the family refuses.
    """
    parts = [_one(part.strip(), domain) for part in text.split("*")]
    return reduce(lambda first, second: Product(domain, first, second), parts)


def _one(text: str, domain: Domain) -> Family:
    name, *fields = text.split(":")
    if name not in FAMILIES or not fields:
        raise CertifyError(
            f"unknown family {text!r}; known: {', '.join(form for _, form, _ in FAMILIES.values())}"
        )
    maker, form, known = FAMILIES[name]
    options: _Options = {}
    for field in fields[1:]:
        key, equals, value = field.partition("=")
        if not equals or key not in known:
            allowed = ", ".join(known) or "none"
            raise CertifyError(f"{text!r}: unknown option {field!r}; options of {name}: {allowed}")
        if key in options:
            raise CertifyError(f"{text!r}: {key} is given twice")
        options[key] = value
    return maker(domain, fields[0], options)


def _whole(value: str, name: str) -> int:
    number = rational(value, name)
    if number.denominator != 1:
        raise CertifyError(f"{name} takes a whole number, received {value!r}")
    return int(number)


def _range(value: str, name: str) -> tuple[Fraction, Fraction]:
    least, dots, most = value.partition("..")
    if not dots:
        raise CertifyError(f"{name} takes a range such as 0.8..1.25, received {value!r}")
    return rational(least, name), rational(most, name)


def _contrast(domain: Domain, value: str, options: _Options) -> Family:
    pivot = _whole(options.get("pivot", "0"), "contrast pivot")
    return Contrast(domain, *_range(value, "contrast"), pivot)


#: Name -> maker, form, options.
FAMILIES: dict[str, tuple[_Maker, str, tuple[str, ...]]] = {
    "light": (lambda d, v, o: Light(d, _whole(v, "light")), "light:LSB", ()),
    "shift": (
        lambda d, v, o: Shift(d, _whole(v, "shift"), o.get("border", EDGE)),
        "shift:PIXELS[:border=edge|zero|wrap]",
        ("border",),
    ),
    "contrast": (_contrast, "contrast:LEAST..MOST[:pivot=LEVEL]", ("pivot",)),
    "gamma": (lambda d, v, o: Gamma(d, *_range(v, "gamma")), "gamma:LEAST..MOST", ()),
    "rotate": (
        lambda d, v, o: Rotate(d, rational(v, "rotate"), o.get("border", EDGE)),
        "rotate:DEGREES[:border=edge|zero|wrap]",
        ("border",),
    ),
    "time": (
        lambda d, v, o: TimeShift(d, _whole(v, "time"), o.get("border", EDGE)),
        "time:FRAMES[:border=edge|zero|wrap]",
        ("border",),
    ),
    "gain": (lambda d, v, o: Gain(d, _whole(v, "gain")), "gain:LSB", ()),
}
