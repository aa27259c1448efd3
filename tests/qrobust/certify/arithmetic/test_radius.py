from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.radius import (
    ABSTAIN,
    binomial_test,
    certified_radius,
    charged_level,
    check_samples,
    least_samples,
    probability_bound,
    quantile_q16,
    radius_q16,
)

ALPHA = Fraction(1, 1000)


@pytest.mark.parametrize("sigma", ["0.5", "16", "64", "63.75"])
@pytest.mark.parametrize("votes", [5200, 6000, 9000, 9990, 10_000])
def test_radius_against_scipy(sigma, votes):
    expected = float(sigma) * stats.norm.ppf(stats.beta.ppf(0.001, votes, 10_001 - votes))
    radius = certified_radius(votes, 10_000, ALPHA, Fraction(sigma)) / 65536
    # Rounded down by at most one unit of Q16 (and what 48 bits of probability lose).
    assert expected - 2 / 65536 < radius <= expected + 1e-9


@pytest.mark.parametrize(
    ("n", "multiple"), [(100, 1.50), (1000, 2.46), (10_000, 3.20), (100_000, 3.81)]
)
def test_ceiling_of_unanimous_votes(n, multiple):
    assert abs(certified_radius(n, n, ALPHA, Fraction(1)) / 65536 - multiple) < 0.005


def test_abstains_exactly_below_one_half():
    radii = [certified_radius(votes, 100, ALPHA, Fraction(10)) for votes in range(101)]
    first = next(v for v, r in enumerate(radii) if r != ABSTAIN)
    assert stats.binom.sf(first - 1, 100, 0.5) < 0.001 <= stats.binom.sf(first - 2, 100, 0.5)
    assert radii == sorted(radii)


def test_half_certifies_radius_zero():
    assert radius_q16(1 << 47, Fraction(3)) == 0
    assert radius_q16((1 << 47) - 1, Fraction(3)) == ABSTAIN


@pytest.mark.parametrize("probability", [-1, (1 << 48) + 1])
def test_a_probability_is_at_most_one(probability):
    with pytest.raises(ValueError, match="a probability in units"):
        quantile_q16(probability, Fraction(3))


@given(st.integers(1, (1 << 48) - 1), st.fractions("0.1", 100, max_denominator=100))
def test_quantile_is_the_largest_that_holds(probability, sigma):
    quantile = quantile_q16(probability, sigma)
    with mpmath.workprec(200):
        unit = 1 / (mpmath.mpf(sigma.numerator) / sigma.denominator * 65536)
        p = mpmath.ldexp(probability, -48)
        assert mpmath.ncdf(quantile * unit) <= p < mpmath.ncdf((quantile + 1) * unit)


def test_quantiles_of_the_ends():
    assert quantile_q16(0, Fraction(1)) is None
    assert quantile_q16(1 << 48, Fraction(1)) > 8 << 16


def test_alpha_pays_for_the_sampler():
    variation = 3072 * Fraction(510, 2**80)
    level = charged_level(ALPHA, 100_000, variation)
    assert ALPHA - level == 100_000 * variation < Fraction(1, 10**12)
    with pytest.raises(CertifyError, match="below the sampler's own error"):
        charged_level(Fraction(1, 10**20), 100_000, variation)


@pytest.mark.parametrize("alpha", [0, -1, "0.6", 1])
def test_alpha_out_of_range(alpha):
    with pytest.raises(CertifyError, match=r"alpha must lie in \(0, 0.5\]"):
        charged_level(Fraction(alpha), 10, Fraction(0))


def test_least_samples():
    assert least_samples(ALPHA) == 10
    check_samples(10, ALPHA)
    with pytest.raises(CertifyError, match=r"n=9 samples can never .* use n >= 10"):
        check_samples(9, ALPHA)


@pytest.mark.parametrize("first", range(0, 61))
def test_binomial_test_against_scipy(first):
    p = stats.binomtest(first, 60, 0.5).pvalue
    assert binomial_test(first, 60 - first, Fraction(1, 100)) == (p <= 0.01 and first > 30)


def test_coverage():
    # The bound may exceed the truth in a share alpha of runs; 20,000 runs at alpha = 0.05.
    rng, alpha = np.random.default_rng(0), Fraction(1, 20)
    for p in (0.5, 0.6, 0.9, 0.99):
        counts = rng.binomial(200, p, 20_000)
        bounds = {int(k): probability_bound(int(k), 200, alpha) / 2**48 for k in set(counts)}
        violations = sum(bounds[int(k)] > p for k in counts)
        # Three standard deviations of the simulation itself.
        assert violations <= 20_000 * 0.05 + 3 * (20_000 * 0.05 * 0.95) ** 0.5
