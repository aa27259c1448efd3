"""Contrast and gamma: no real parameter gives a table that is not a member."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor, log

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain
from qrobust.verify.families import make_family
from qrobust.verify.families.gamma import passed, together

PIXELS = Domain((4, 4, 1), 0, 255)
SMALL = Domain((2, 2, 1), 0, 15)


def rows(family):
    return {row.tobytes() for row in family.tables}


def contrast_oracle(domain, c, pivot):
    table = [floor(c * (v - pivot) + pivot + Fraction(1, 2)) for v in levels(domain)]
    return np.clip(table, domain.low, domain.high).astype(np.int16)


def levels(domain):
    return range(domain.low, domain.high + 1)


@pytest.mark.ordinary(5)
@pytest.mark.parametrize("domain", [PIXELS, SMALL, Domain((2, 2, 1), -8, 7)])
@pytest.mark.parametrize("share", [0, Fraction(1, 2), 1])
def test_every_factor_is_a_member_of_contrast(domain, share):
    pivot = domain.low + floor(share * (domain.high - domain.low))
    known = rows(make_family(f"contrast:.8..1.25:pivot={pivot}", domain))
    rng = np.random.default_rng(0)
    factors = [Fraction(int(n), 10**6) for n in rng.integers(800_000, 1_250_001, 150)]
    # Breakpoints themselves and their neighbourhood.
    for v, k in rng.integers(domain.low + 1, domain.high + 1, (300, 2)).tolist():
        if v != pivot:
            c = (k - pivot - Fraction(1, 2)) / (v - pivot)
            factors += [c, c - Fraction(1, 10**9), c + Fraction(1, 10**9)]
    tried = [c for c in factors if Fraction(8, 10) <= c <= Fraction(5, 4)]
    assert len(tried) > 150
    for c in tried:
        assert contrast_oracle(domain, c, pivot).tobytes() in known


def test_every_table_of_contrast_is_some_factor():
    family = make_family("contrast:.8..1.25:pivot=4", SMALL)
    least, most = Fraction(4, 5), Fraction(5, 4)
    jumps = {Fraction(2 * (k - 4) - 1, 2 * (v - 4)) for v in range(16) if v != 4 for k in range(16)}
    points = sorted({least, most} | {c for c in jumps if least < c < most})
    points += [(a + b) / 2 for a, b in zip(points, points[1:], strict=False)]
    assert {contrast_oracle(SMALL, c, 4).tobytes() for c in points} == rows(family)


def test_with_a_pivot_inside_breakpoints_have_tables_of_their_own():
    """A factor that is a member though no factor beside it gives the same table."""
    known = rows(make_family("contrast:.8..1.25:pivot=128", PIXELS))
    own = 0
    for v, k in np.random.default_rng(1).integers(1, 256, (400, 2)).tolist():
        c = (k - 128 - Fraction(1, 2)) / (v - 128) if v != 128 else Fraction(0)
        if Fraction(4, 5) < c < Fraction(5, 4):
            here, before, after = (
                contrast_oracle(PIXELS, c + e, 128).tobytes()
                for e in (0, Fraction(-1, 10**9), Fraction(1, 10**9))
            )
            assert {here, before, after} <= known
            own += here not in (before, after)
    assert own > 20


@pytest.mark.thorough
def test_counts_of_the_design():
    assert make_family("contrast:.8..1.25", PIXELS).size == 10_561
    assert make_family("gamma:.5..2", PIXELS).size == 21_673  # breakpoints + 1


def gamma_oracle(top, g):
    with localcontext(prec=50):
        curve = [top * (Decimal(v) / top) ** g for v in range(1, top + 1)]
        return np.array([0, *(floor(y + Decimal("0.5")) for y in curve)], np.int16)


@pytest.mark.parametrize("domain", [PIXELS, SMALL])
def test_every_exponent_is_a_member_of_gamma(domain):
    known = rows(make_family("gamma:.7..1.4", domain))
    exponents = np.random.default_rng(2).integers(7 * 10**8, 14 * 10**8, 12).tolist()
    for g in [7 * 10**8, 10**9, 14 * 10**8, *exponents]:
        assert gamma_oracle(domain.high, Decimal(g) / 10**9).tobytes() in known


def test_gamma_members_are_exponents():
    family = make_family("gamma:.7..1.4", SMALL)
    jumps = [log((k - 0.5) / 15) / log(v / 15) for v in range(1, 15) for k in range(1, 16)]
    points = sorted({0.7, 1.4} | {g for g in jumps if 0.7 < g < 1.4})
    assert min(b - a for a, b in zip(points, points[1:], strict=False)) > 1e-6
    middles = [(a + b) / 2 for a, b in zip(points, points[1:], strict=False)]
    assert {gamma_oracle(15, Decimal(g)).tobytes() for g in middles} == rows(family)


def test_breakpoints_that_overlap_give_the_tables_of_all_orders():
    events = [(10, 12, 3), (11, 13, 5), (13, 14, 6), (20, 21, 3)]
    groups = together(events)
    assert [len(group) for group in groups] == [3, 1]
    table = np.arange(8, dtype=np.int16)
    after = {tuple((table - t).nonzero()[0].tolist()) for t in passed(table, [3, 5, 6])}
    assert after == {(3,), (5,), (6,), (3, 5), (3, 6), (5, 6), (3, 5, 6)}
    assert (passed(table, [3, 5])[-1] == table - np.isin(table, [3, 5])).all()


@pytest.mark.parametrize("text", ["contrast:.8..1.25:pivot=128", "gamma:.7..1.4"])
def test_distinct_members_give_every_picture(text):
    family = make_family(text, PIXELS)
    x = np.random.default_rng(3).choice([0, 7, 100, 101, 128, 255], (4, 4, 1)).astype(np.int16)
    every = {p.tobytes() for p in family.apply(x, np.arange(family.size))}
    distinct = family.distinct(x)
    chosen = [p.tobytes() for p in family.apply(x, distinct)]
    assert set(chosen) == every
    assert len(chosen) == len(every) < family.size
    assert distinct[0] == 0
    assert (family.apply(x, distinct[:1])[0] == x).all()


@pytest.mark.parametrize(
    "text",
    [
        "contrast:1.1..1.2", "contrast:.8", "contrast:x..1.2", "contrast:.8..1.2:pivot=256",
        "contrast:-1..2", "contrast:1..1", "contrast:.1234567..2", "contrast:.8..1.2:border=edge",
        "gamma:1.1..2", "gamma:0..2", "gamma:.5..99",
    ],
)  # fmt: skip
def test_bad_ranges_are_refused(text):
    with pytest.raises(CertifyError):
        make_family(text, PIXELS)


def test_gamma_needs_pixels():
    with pytest.raises(CertifyError, match="a grid from 0 on"):
        make_family("gamma:.7..1.4", Domain((4, 4, 1), -128, 127))
