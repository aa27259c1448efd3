"""From votes to a certified radius: exact one-sided bounds, in integers from end to end.

With probability at least ``1 - alpha`` over the sampling, the smoothed classifier keeps its label
for every shift ``d`` with ``||d||_2 < radius``. Radii are in input LSB, as integers in Q16
(units of ``2**-16`` LSB), rounded down.

References:
    Cohen, Rosenfeld and Kolter, Certified Adversarial Robustness via Randomized Smoothing,
    ICML 2019: section 3.2 and appendix A.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, WHOLE, lower_bound, tail_is_below
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.gaussian import cdf_floor
from qrobust.certify.arithmetic.last_true import last_true

#: The label of an input about which nothing is certified.
ABSTAIN = -1

RADIUS_BITS = 16
_ONE = 1 << PROBABILITY_BITS


def charged_level(alpha: Fraction, samples: int, variation: Fraction) -> Fraction:
    """Return what is left of ``alpha`` once the sampler's own error is paid for.

    If every sample is within ``variation`` of the true noise in total variation, ``samples``
    independent ones are within ``samples * variation`` together, and no event of probability at
    most the returned level exceeds ``alpha`` under the true noise (nor the other way round).

    Args:
        alpha: allowed error probability, in (0, 1/2].
        samples: how many the bound rests on.
        variation: total variation of one sample, all its coordinates together.

    Raises:
        CertifyError: alpha out of range, or smaller than the sampler's error.
    """
    if not 0 < alpha <= Fraction(1, 2):
        raise CertifyError(f"alpha must lie in (0, 0.5], received {float(alpha):g}")
    level = alpha - samples * variation
    if level <= 0:
        raise CertifyError(
            f"alpha {float(alpha):.3g} is below the sampler's own error over {samples} samples "
            f"({float(samples * variation):.3g}); raise alpha"
        )
    return level


def least_samples(level: Fraction, p: Fraction = Fraction(1, 2)) -> int:
    """Return the smallest ``n`` with ``p**n < level``: fewer can never show more than ``p``."""
    n, power = 0, Fraction(1)
    while power >= level:
        n, power = n + 1, power * p
    return n


def check_samples(n: int, level: Fraction) -> None:
    """Raise `CertifyError` if ``n`` unanimous votes still prove nothing at this level."""
    least = least_samples(level)
    if n < least:
        raise CertifyError(
            f"n={n} samples can never certify anything at alpha={float(level):.6g}; "
            f"use n >= {least}"
        )


@lru_cache(maxsize=1 << 16)
def probability_bound(votes: int, n: int, level: Fraction, *, weight: int = WHOLE) -> int:
    """Clopper-Pearson lower bound of a class's probability, in units of ``2**-48``.

    Args:
        votes: samples that voted for the class.
        n: samples.
        level: error probability after charges.
        weight: of the outcome itself, for the randomized bound.
    """
    return lower_bound(n, votes, level, weight=weight)


@lru_cache(maxsize=1 << 16)
def quantile_q16(probability: int, sigma: Fraction) -> int | None:
    r"""Return a normal quantile in units of ``2**-16`` LSB, rounded down.

    .. math:: \max \{ r : \Phi(2^{-16} r / \sigma) \le 2^{-48} \mathrm{probability} \}

    Args:
        probability: in units of ``2**-48``.
        sigma: scale of the noise in LSB, after the correction of its kind.

    Returns:
        The quantile, negative below probability 1/2; None for probability 0.
    """
    if not 0 <= probability <= _ONE:
        raise ValueError(f"a probability in units of 2**-48, received {probability}")
    if probability == 0:
        return None
    unit = 1 / (sigma * (1 << RADIUS_BITS))

    def holds(radius: int) -> bool:
        # Past 0 Phi is irrational: Phi <= p exactly where floor(2^48 Phi) + 1 <= 2^48 p.
        return cdf_floor(radius * unit, PROBABILITY_BITS) + (radius != 0) <= probability

    # In 48 bits Phi(x) is 0 or 1 for x^2 >= 1.4 * 48: nothing is further out than 9 sigma.
    far = int(9 / unit) + 1
    inside = min(max(probability / _ONE, 2**-50), 1 - 2**-50)
    return last_true(holds, -far, far, int(Fraction(NormalDist().inv_cdf(inside)) / unit))


def radius_q16(probability: int, sigma: Fraction) -> int:
    """Return the radius ``sigma * Phi^-1(probability)`` in Q16 LSB, or `ABSTAIN` below 1/2."""
    quantile = quantile_q16(probability, sigma)
    return ABSTAIN if quantile is None or quantile < 0 else quantile


def certified_radius(votes: int, n: int, level: Fraction, sigma: Fraction) -> int:
    """Return the radius in Q16 LSB that ``votes`` of ``n`` certify, or `ABSTAIN`."""
    return radius_q16(probability_bound(votes, n, level), sigma)


def binomial_test(first: int, second: int, level: Fraction) -> bool:
    """Decide whether ``first`` votes lead ``second`` significantly, as Cohen's ``predict`` asks.

    The two-sided exact test of ``first ~ Bin(first + second, 1/2)`` at ``level``: the label is
    wrong with probability at most ``level``.
    """
    if first <= second:
        return False
    return tail_is_below(first + second, first, Fraction(1, 2), level / 2)
