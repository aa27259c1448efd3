"""Contrast and exposure: every factor of a range, through its finitely many tables."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import text
from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.families.tables import Tables

_MOST_FACTOR = 64
#: Of the ends of the range: keeps every product below in 64 bits.
_MOST_DENOMINATOR = 10**5


class Contrast(Tables):
    r"""``sat(floor(c (v - pivot) + pivot + 1/2))`` for every real c in ``[least, most]``.

    The table of all v changes only where, for some v and integer k,

    .. math:: c = (k - pivot - 1/2) / (v - pivot).

    Between two neighbours of these rationals the table is constant; at one of them it may be a
    third one, because the floor jumps before it for ``v < pivot`` and at it for ``v > pivot``.
    Members are therefore all open intervals and all breakpoints, in exact integers.

    Args:
        domain: the inputs.
        least: smallest factor, in ``[0, 1]``.
        most: greatest factor, in ``[1, 64]``.
        pivot: grid integer that no factor moves.

    Raises:
        CertifyError: a range without 1, or a pivot off the grid.
    """

    def __init__(self, domain: Domain, least: Fraction, most: Fraction, pivot: int = 0) -> None:
        super().__init__(domain)
        if not 0 <= least <= 1 <= most <= _MOST_FACTOR or least == most:
            raise CertifyError(
                f"contrast takes a range from at least 0 to at most {_MOST_FACTOR} that holds 1, "
                f"received {text(least)}..{text(most)}"
            )
        if max(least.denominator, most.denominator) > _MOST_DENOMINATOR:
            raise CertifyError("contrast: give the ends of the range with 5 decimals or fewer")
        if not domain.low <= pivot <= domain.high:
            raise CertifyError(
                f"contrast: the pivot {pivot} is off the grid [{domain.low}, {domain.high}]"
            )
        self.text = f"contrast:{text(least)}..{text(most)}:pivot={pivot}"
        self.claim = (
            f"sat(floor(c (v - {pivot}) + {pivot} + 1/2)) for every real c from {text(least)} to "
            f"{text(most)}, the same c for every number, saturating at {domain.low} and "
            f"{domain.high}"
        )
        numerators, denominators = members(breakpoints(domain, least, most, pivot))
        tables = contrast_tables(domain, numerators, denominators, pivot)
        names = [
            f"contrast {n}/{d}"
            for n, d in zip(numerators.tolist(), denominators.tolist(), strict=True)
        ]
        self.keep(tables, names)
        self._range, self._pivot = (least, most), pivot

    def draw(self, x: Picture, rng: np.random.Generator) -> Picture:
        """Draw a factor: a millionth of the range, or a breakpoint of two levels, half each."""
        least, most = self._range
        c = least + (most - least) * Fraction(int(rng.integers(0, 10**6 + 1)), 10**6)
        low, high = self.domain.low, self.domain.high
        if rng.random() < 0.5:
            v, k = rng.integers(low, high + 1, 2).tolist()
            jump = Fraction(2 * (k - self._pivot) - 1, 2 * (v - self._pivot) or 1)
            c = jump if least <= jump <= most else c
        half = Fraction(1, 2)
        levels = [floor(c * (v - self._pivot) + self._pivot + half) for v in range(low, high + 1)]
        table = np.clip(levels, low, high).astype(np.int16)
        return table[x.astype(np.intp) - low]


def breakpoints(
    domain: Domain, least: Fraction, most: Fraction, pivot: int
) -> tuple[Integers, Integers]:
    """Return the ends of the range and all factors at which a table may change, ascending.

    Returns:
        Numerators and denominators, in lowest terms, each fraction once.

    Two different fractions with denominators up to D differ by at least ``1 / D**2``, far more
    than a float64 quotient is wrong by: the order of the quotients is the order of the fractions.
    """
    v = np.arange(domain.low, domain.high + 1) - pivot
    v = v[v != 0]
    k = np.arange(domain.low + 1, domain.high + 1) - pivot
    numerators = np.broadcast_to(2 * k - 1, (len(v), len(k))) * np.sign(v)[:, None]
    denominators = np.broadcast_to(2 * np.abs(v)[:, None], numerators.shape)
    # least <= n / d <= most, in integers
    inside = (numerators * least.denominator >= denominators * least.numerator) & (
        numerators * most.denominator <= denominators * most.numerator
    )
    ends = [(c.numerator, c.denominator) for c in (least, Fraction(1), most)]
    pairs = np.concatenate(
        [np.stack([numerators[inside], denominators[inside]], axis=1), np.array(ends, np.int64)]
    )
    pairs //= np.gcd(pairs[:, 0], pairs[:, 1])[:, None]
    pairs = np.unique(pairs, axis=0)
    order = np.argsort(pairs[:, 0] / pairs[:, 1], kind="stable")
    return pairs[order, 0], pairs[order, 1]


def members(points: tuple[Integers, Integers]) -> tuple[Integers, Integers]:
    """Return the points and one factor of every open interval between neighbours, ascending."""
    n, d = points
    numerators, denominators = np.zeros((2, 2 * len(n) - 1), np.int64)
    numerators[::2], denominators[::2] = n, d
    # The mediant lies strictly between two fractions.
    numerators[1::2], denominators[1::2] = n[:-1] + n[1:], d[:-1] + d[1:]
    return numerators, denominators


def contrast_tables(
    domain: Domain, numerators: Integers, denominators: Integers, pivot: int
) -> NDArray[np.int16]:
    """Return ``sat(floor(c (v - pivot) + pivot + 1/2))`` for ``c = n / d``, int16[n, levels]."""
    v = np.arange(domain.low, domain.high + 1) - pivot
    n, d = numerators[:, None], denominators[:, None]
    rounded = (2 * n * v + d) // (2 * d) + pivot
    return np.asarray(np.clip(rounded, domain.low, domain.high), np.int16)
