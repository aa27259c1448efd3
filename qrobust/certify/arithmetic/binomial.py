"""Exact comparison of binomial tails with a level, and exact Clopper-Pearson bounds.

No floating-point number decides anything here. A tail is enclosed between two integers (times a
power of two); where the level falls between them the precision is raised. Floats appear only as
starting guesses of a search whose every step is then decided exactly.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import comb, log, sqrt

from qrobust.certify.arithmetic.intervals import Scaled, power
from qrobust.certify.arithmetic.last_true import last_true

#: Probabilities are multiples of ``2**-48``: far finer than a radius in Q16 can show.
PROBABILITY_BITS = 48

#: Weights of the outcome itself are multiples of ``2**-64``; the whole of it is an ordinary tail.
WEIGHT_BITS = 64
WHOLE = 1 << WEIGHT_BITS
_ONE = 1 << PROBABILITY_BITS

_PRECISION = 96
# An undecided comparison at this precision is taken as equality.
_MAX_PRECISION = 4096


@lru_cache(maxsize=64)
def _choose(n: int, k: int, bits: int) -> Scaled:
    """Enclose the binomial coefficient; the exact one has up to ``n`` bits."""
    return Scaled.exact(comb(n, k), bits)


def _tail(n: int, k: int, p: int, weight: int, bits: int) -> tuple[Scaled, float]:
    r"""Enclose ``P(X > k) + u P(X = k)``, ``X ~ Bin(n, p / 2**48)``, ``k > n p``.

    .. math:: \binom{n}{k} p^k q^{n-k}
              \left(u + \frac{(n-k) p}{(k+1) q} + \dots \right)

    Every ratio of neighbours is below 1 and they fall, so a geometric series bounds the rest.

    Returns:
        The enclosure, and the bracketed series as a float (for Newton's guess).
    """
    q = _ONE - p
    term = 1 << bits
    total = weight << bits - WEIGHT_BITS
    count = 0
    for i in range(k, n):
        term = term * ((n - i) * p) // ((i + 1) * q)
        total += term
        count += 1
        if not term >> 16:
            break
    # Each floor loses less than one unit and later ratios shrink it: `count` units a term at most.
    last = k + count
    missing = count * (count + 1) // 2 + 1
    if last < n:
        top, bottom = (n - last) * p, (last + 1) * q
        # term + 1 is above the true last term times any later error; ratio < 1.
        missing += (term + count) * top // (bottom - top) + 1
    series = Scaled(total, total + missing, -bits, bits)
    first = _choose(n, k, bits).times(power(p, k, bits), bits)
    first = first.times(power(q, n - k, bits), bits)
    product = first.times(series, bits)
    product.exponent -= n * PROBABILITY_BITS
    return product, total / (1 << bits)


def _compare(n: int, k: int, p: int, weight: int, level: Fraction) -> tuple[bool, float]:
    """Decide ``P(X > k) + u P(X = k) < level`` and suggest a step of ``p`` towards equality.

    Needs ``level <= 1/2``: at ``k <= n p`` the whole tail holds the median and is no less than
    that. A partial weight could still pass there; saying no is on the safe side.
    """
    if k * _ONE <= n * p:
        return False, -(n * p - k * _ONE) / n
    if p == 0:
        return True, 0.0
    bits = _PRECISION
    while bits <= _MAX_PRECISION:
        tail, series = _tail(n, k, p, weight, bits)
        # Compare m * 2**e with num/den.
        up, down = max(tail.exponent, 0), max(-tail.exponent, 0)
        level_scaled = level.numerator << down
        high = (tail.high * level.denominator) << up
        low = (tail.low * level.denominator) << up
        if high < level_scaled or low >= level_scaled:
            u = weight / WHOLE
            slope = ((1 - u) * (n - k) / (_ONE - p) + u * k / p) / series  # of ln(tail)
            step = -_log_ratio(low, level_scaled) / slope
            return high < level_scaled, step
        bits *= 2
    return False, 0.0


def _log_ratio(a: int, b: int) -> float:
    """``ln(a / b)`` of integers of any size, roughly."""
    shift = max(a.bit_length(), b.bit_length()) - 900
    if shift > 0:
        # Enough for a guess: the smaller one may vanish entirely.
        a, b = a >> shift, b >> shift
    return log(max(a, 1)) - log(max(b, 1))


def tail_is_below(n: int, k: int, p: Fraction | int, level: Fraction) -> bool:
    """Decide ``P(Bin(n, p) >= k) < level`` exactly.

    Args:
        n: trials.
        k: successes, 0 to n.
        p: success probability as a multiple of ``2**-48``, in units of ``2**-48`` when an int.
        level: to compare with, in (0, 1/2].

    Returns:
        Whether the tail is strictly below the level.
    """
    units = p * _ONE if isinstance(p, Fraction) else Fraction(p)
    if units.denominator != 1 or not 0 <= units < _ONE:
        raise ValueError(f"p must be a multiple of 2**-48 in [0, 1), received {p}")
    _check(n, k, level)
    if k == 0:
        return False
    return _compare(n, k, units.numerator, WHOLE, level)[0]


def lower_bound(
    n: int, k: int, level: Fraction, *, weight: int = WHOLE, guess: int | None = None
) -> int:
    """Exact one-sided Clopper-Pearson lower bound, rounded down to a multiple of ``2**-48``.

    The largest ``p`` with ``P(X > k) + u P(X = k) < level`` for ``X ~ Bin(n, p)``. The true
    probability is at least that with probability ``1 - level`` over the ``n`` trials, if ``u`` is
    1 (the ordinary bound) or drawn anew from ``{1, ..., 2**64} / 2**64`` (the randomized one,
    which is never worse and wastes none of the level).

    Args:
        n: trials.
        k: successes, 0 to n.
        level: error probability, in (0, 1/2].
        weight: ``u`` in units of ``2**-64``, 1 to ``2**64``.
        guess: the expected result, where one is known; changes the time only.

    Returns:
        The bound in units of ``2**-48``.

    References:
        Clopper and Pearson, Biometrika 26 (1934). Stevens, Biometrika 37 (1950), for the
        randomized bound; Voracek, NeurIPS 2024, for its use here.
    """
    _check(n, k, level)
    if not 1 <= weight <= WHOLE:
        raise ValueError(f"the weight must lie in [1, 2**64], received {weight}")
    if k == 0:
        return 0
    low, high = 0, _ONE  # at p = 0 the tail is 0; at p = 1 it is 1
    if guess is None:
        mean = k / n
        guess = int((mean - 2 * sqrt(mean * (1.05 - mean) / n)) * _ONE)  # roughly a normal's
    p = guess
    for _ in range(64):  # Newton; last_true makes sure whatever it does
        p = min(max(p, low + 1), high - 1)
        if not low < p < high:
            return low
        below, step = _compare(n, k, p, weight, level)
        if below:
            low = p
        else:
            high = p
        if abs(step) < 4:
            break
        p += int(step)
    return last_true(lambda m: _compare(n, k, m, weight, level)[0], low, high, p)


def upper_bound(n: int, k: int, level: Fraction) -> int:
    """Exact one-sided Clopper-Pearson upper bound, rounded up to a multiple of ``2**-48``."""
    return _ONE - lower_bound(n, n - k, level)


def _check(n: int, k: int, level: Fraction) -> None:
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"successes must lie in [0, trials], received k={k}, n={n}")
    if not 0 < level <= Fraction(1, 2):
        raise ValueError(f"the level must lie in (0, 1/2], received {level}")
