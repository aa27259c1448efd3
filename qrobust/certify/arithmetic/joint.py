"""Statements about many certificates at once, exact."""

from __future__ import annotations

from fractions import Fraction
from math import comb, isqrt

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, tail_is_below

_ONE = 1 << PROBABILITY_BITS
_EXACT = 100_000


def most_false(images: int, alpha: Fraction, beta: Fraction) -> int:
    """Return the least ``k`` with ``P(Bin(images, alpha) > k) <= beta``.

    Each certificate is false with probability ``alpha`` at most, independently of the others; so
    with probability ``1 - beta`` at most ``k`` of the images attempted have a false one.

    Over 100,000 images it is Hoeffding's bound, a little larger.

    Args:
        images: attempted, whether certified or not.
        alpha: error probability of each.
        beta: of the statement.
    """
    if not alpha:
        return 0
    if images > _EXACT:
        # Hoeffding: P(Bin > N alpha + t) <= exp(-2 t^2 / N), and ln(1/beta) <= .6932 log2(1/beta).
        bits = (beta.denominator // beta.numerator).bit_length()
        return min(int(images * alpha) + isqrt(images * bits * 6932 // 20_000) + 2, images)
    above = -(-alpha.numerator * _ONE // alpha.denominator)
    low, high = min(int(images * alpha), images), images
    while low < high:  # the tail falls with k
        middle = (low + high) // 2
        if tail_is_below(images, middle + 1, above, beta):
            high = middle
        else:
            low = middle + 1
    return low


def most_undrawn(lines: int, drawn: int, beta: Fraction) -> int:
    """Return the most bad lines that a draw without a bad one leaves with probability ``beta``.

    The least ``k`` such that, were more than ``k`` of the lines bad, a sample of ``drawn`` had met
    none with probability below ``beta``: hypergeometric, exact.

    Args:
        lines: of the journal.
        drawn: of them, at random and without repetition.
        beta: of the statement.
    """
    total = comb(lines, drawn)
    low, high = 0, lines - drawn
    while low < high:  # P(none of k + 1 bad lines is drawn) falls with k
        middle = (low + high) // 2
        missed = comb(lines - middle - 1, drawn)
        if missed * beta.denominator < total * beta.numerator:
            high = middle
        else:
            low = middle + 1
    return low
