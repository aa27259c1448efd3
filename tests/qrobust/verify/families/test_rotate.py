"""Rotation: no real angle gives a map that is not a member."""

from fractions import Fraction
from math import floor

import mpmath
import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain
from qrobust.verify.families import make_family
from qrobust.verify.families.rotate import half_tangent
from qrobust.verify.families.surds import BITS, surd


def numbered(height, width):
    """Every pixel has a value of its own, none is 0."""
    return np.arange(1, height * width + 1, dtype=np.int16).reshape(height, width, 1)


def rotated(x, angle, border):
    """Straight from the formula in floats, or None where a float floor could be wrong."""
    height, width = x.shape[:2]
    i, j = np.indices((height, width))
    u, v = 2 * i - (height - 1), 2 * j - (width - 1)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    row, column = (u * cos + v * sin + height) / 2, (v * cos - u * sin + width) / 2
    if np.abs([row - np.rint(row), column - np.rint(column)]).min() < 1e-9:
        return None
    row, column = np.floor(row).astype(int), np.floor(column).astype(int)
    if border == "wrap":
        return x[row % height, column % width]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    out = x[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.where(inside[..., None] | (border == "edge"), out, 0).astype(np.int16)


@pytest.mark.ordinary(5)
@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (6, 9)])
@pytest.mark.parametrize("border", ["edge", "zero", "wrap"])
def test_every_angle_is_a_member(shape, border):
    domain = Domain((*shape, 1), 0, 255)
    family = make_family(f"rotate:30:border={border}", domain)
    x = numbered(*shape)
    known = {p.tobytes() for p in family.apply(x, np.arange(family.size))}
    assert len(known) == family.size
    met = set()
    for angle in np.linspace(-29.999, 29.999, 3001):
        picture = rotated(x, angle, border)
        if picture is not None:
            assert picture.tobytes() in known
            met.add(picture.tobytes())
    assert len(met) > family.size / 4


def test_breakpoints_with_rational_angles_are_members():
    """Pythagorean angles, where a source may be whole exactly and the tie rule speaks."""
    shape = (10, 9)  # of equal parities no source is ever whole at a rational angle
    domain = Domain((*shape, 1), 0, 255)
    family = make_family("rotate:45", domain)
    x = numbered(*shape)
    known = {p.tobytes() for p in family.apply(x, np.arange(family.size))}
    ties = 0
    for n in range(1, 6):
        for d in range(1, 14):
            t = Fraction(n, d)
            if t > Fraction(41, 100):
                continue
            cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
            whole = any(
                (u * cos + v * sin + 10) % 2 == 0
                for u in range(-9, 10, 2) for v in range(-8, 9, 2)
            )  # fmt: skip
            if whole:
                ties += 1
                exact = rotated_exactly(x, cos, sin)
                assert exact.tobytes() in known
                opposite = rotated_exactly(x, cos, -sin)
                assert opposite.tobytes() in known
    assert ties >= 3


def rotated_exactly(x, cos, sin):
    height, width = x.shape[:2]
    out = np.zeros_like(x)
    for i in range(height):
        for j in range(width):
            u, v = 2 * i - (height - 1), 2 * j - (width - 1)
            row = floor((u * cos + v * sin + height) / 2)
            column = floor((v * cos - u * sin + width) / 2)
            out[i, j] = x[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return out


def test_the_first_member_is_the_picture():
    domain = Domain((9, 9, 2), 0, 255)
    family = make_family("rotate:10", domain)
    x = np.random.default_rng(0).integers(0, 256, domain.shape).astype(np.int16)
    assert (family.apply(x, np.array([0]))[0] == x).all()
    assert family.name(0).startswith("rotate about +0.000000")


@pytest.mark.parametrize("angle", [Fraction(1, 7), Fraction(10), Fraction(45)])
def test_the_range_is_widened_outwards_and_hardly(angle):
    with mpmath.workdps(40):
        wide = half_tangent(angle)
        wide = mpmath.mpf(wide.numerator) / wide.denominator
        exact = mpmath.tan(mpmath.radians(mpmath.mpf(angle.numerator) / angle.denominator) / 2)
        assert mpmath.mpf(2) ** -41 < wide - exact < mpmath.mpf(2) ** -38


def test_surds_are_equal_or_apart():
    assert surd(2, 1, 8, 2) == surd(1, 1, 2, 1) == surd(-3, -3, 2, -3)
    assert surd(1, 1, 9, 2) == surd(2, 0, 5, 1) == surd(4, 0, 0, 2)
    assert surd(1, 1, 2, 1) != surd(1, -1, 2, 1)
    with mpmath.workdps(80):
        for p, s, r, q in np.random.default_rng(1).integers(-60, 60, (300, 4)).tolist():
            if q and r >= 0:
                low, high = surd(p, s, r, q).bounds()
                exact = (p + s * mpmath.sqrt(r)) / q * mpmath.mpf(2) ** BITS
                assert low < exact < high <= low + 6


@pytest.mark.parametrize("text", ["rotate:0", "rotate:46", "rotate:x", "rotate:5:border=mirror"])
def test_bad_angles_are_refused(text):
    with pytest.raises(CertifyError):
        make_family(text, Domain((4, 4, 1), 0, 255))


def test_too_many_maps_are_refused():
    with pytest.raises(CertifyError, match="too many"):
        make_family("rotate:45", Domain((120, 120, 1), 0, 255))
