"""The standard normal distribution function in integers.

Everything random on a device rests on two integer tables, and both rest on the one function of
this module: ``floor(2**bits * Phi(x))`` for rational ``x``, exact to the last bit. Only Python
integers are used, so every machine gets the same tables and none needs a maths package.

It does not give quantiles: callers search for them with ``last_true``.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import isqrt

#: Working precision is raised by this many bits whenever the two ends of an interval disagree.
_MORE_BITS = 64

# Phi(x) = 1/2 for x = 0 only; everywhere else the fraction bits of 2**bits * Phi(x) are not all
# 0 or all 1 for long, so this bound on the working precision is never met.
_MAX_PRECISION = 1 << 14


def cdf_floor(x: Fraction, bits: int) -> int:
    r"""Return ``floor(2**bits * Phi(x))`` exactly.

    .. math::

        \Phi(x) = \frac12 + \frac{1}{\sqrt{2\pi}\,e^{x^2/2}}
                  \sum_{k \ge 0} \frac{x^{2k+1}}{1 \cdot 3 \cdots (2k+1)}, \qquad x > 0

    Both series have positive terms only. Each is summed twice, once with every rounding down and
    once with every rounding up; precision grows until both ends have the same floor.

    Args:
        x: where to evaluate; any rational.
        bits: fraction bits of the result, at least 1.

    Returns:
        An integer in ``[0, 2**bits - 1]``.

    References:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.11.
    """
    if bits < 1:
        raise ValueError(f"bits must be at least 1, received {bits}")
    if x == 0:
        return 1 << (bits - 1)
    if x < 0:
        # Phi(x) is irrational for rational x != 0, so floor(2^b - y) = 2^b - 1 - floor(y).
        return (1 << bits) - 1 - cdf_floor(-x, bits)
    if 10 * x * x >= 14 * bits:
        # 1 - Phi(x) <= exp(-x^2/2)/2 < 2^-bits, since x^2/2 >= 0.7 bits > bits * ln 2.
        return (1 << bits) - 1
    # The sum grows like exp(x^2/2) < 2^bits before the division takes it back.
    precision = 2 * bits + _MORE_BITS
    while precision < _MAX_PRECISION:
        low, high = _upper_half(x, precision)
        shift = precision - bits
        if low >> shift == high >> shift:
            return low >> shift
        precision += _MORE_BITS
    raise ArithmeticError(f"Phi({x}) does not settle at {bits} bits")


def _upper_half(x: Fraction, precision: int) -> tuple[int, int]:
    """Bounds of ``2**precision * Phi(x)`` for ``0 < x``."""
    square = x * x
    odd_low, odd_high = power_series(x, square, 3, 2, precision)
    exp_low, exp_high = power_series(Fraction(1), square, 2, 2, precision)
    root_low, root_high = _sqrt_two_pi(precision)
    half = 1 << (precision - 1)
    scale = 2 * precision
    low = half + (odd_low << scale) // (root_high * exp_high)
    high = half - (-(odd_high << scale) // (root_low * exp_low))
    return low, high


def power_series(
    first: Fraction, factor: Fraction, start: int, step: int, precision: int
) -> tuple[int, int]:
    """Return bounds of ``first * (1 + f/start + f**2/(start (start+step)) + ...)``.

    Args:
        first: positive.
        factor: ``f``, positive.
        start: first divisor.
        step: by how much the divisors grow.
        precision: fraction bits of the bounds.
    """
    num, den = factor.numerator, factor.denominator
    low = (first.numerator << precision) // first.denominator
    high = low + 1
    sum_low, sum_high = low, high
    divisor = start * den
    while True:
        low = low * num // divisor
        high = -(-high * num // divisor)
        sum_low += low
        sum_high += high
        divisor += step * den
        if high <= 1 and divisor >= 2 * num:
            # Every later ratio is at most 1/2: the rest is at most this last term.
            return sum_low, sum_high + high


@lru_cache(maxsize=8)
def _sqrt_two_pi(precision: int) -> tuple[int, int]:
    """Bounds of ``2**precision * sqrt(2 pi)``."""
    wide = 2 * precision
    guard = 32
    # Machin: pi = 16 atan(1/5) - 4 atan(1/239). The roundings stay far below 2**guard.
    two_pi = 32 * _atan_inverse(5, wide + guard) - 8 * _atan_inverse(239, wide + guard)
    return isqrt((two_pi >> guard) - 1), isqrt((two_pi >> guard) + 1) + 1


def _atan_inverse(n: int, precision: int) -> int:
    """``2**precision * atan(1/n)``, off by at most one unit a term."""
    power = (1 << precision) // n
    total, k, sign = 0, 1, 1
    while power:
        total += sign * (power // k)
        power //= n * n
        k += 2
        sign = -sign
    return total
