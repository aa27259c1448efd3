from fractions import Fraction

import mpmath
import pytest

from qrobust.certify.bounds import radius_q16
from qrobust.certify.discrete_gaussian import cdf_floors
from qrobust.certify.noise import noise_table


def weights(sigma, count):
    scale = mpmath.mpf(sigma.numerator) / sigma.denominator
    return [mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * scale**2)) for k in range(count)]


@pytest.mark.parametrize("sigma", ["0.01", "0.25", "1", "7.65", "64", "300"])
def test_equals_an_independent_computation(sigma):
    sigma = Fraction(sigma)
    with mpmath.workprec(500):
        w = weights(sigma, int(30 * sigma) + 300)
        whole = w[0] + 2 * mpmath.fsum(w[1:])
        below = mpmath.fsum(w[41:])
        expected = []
        for v in range(-40, 40):
            below += w[abs(v)]
            expected.append(min(int(mpmath.floor(mpmath.ldexp(below / whole, 80))), 2**80 - 1))
    assert list(cdf_floors(sigma, 40, 80)) == expected


def test_a_sigma_so_small_that_noise_is_zero():
    floors = cdf_floors(Fraction(1, 10**9), 3, 80)
    assert floors == (0, 0, 0, *[2**80 - 1] * 3)


@pytest.mark.parametrize("sigma", ["0.5", "1", "2", "8"])
def test_axis_aligned_radii_hold_exactly(sigma):
    """No integer shift along an axis inside a certified radius can take the majority away.

    By Neyman and Pearson the worst classifier answers A on {N <= t}, randomized at t: after a
    shift by d it keeps at least half of the vote exactly where P(A) >= P(N < d) + P(N = d) / 2.
    """
    sigma = Fraction(sigma)
    table = noise_table("discrete_gaussian", sigma, 255)
    one = Fraction(1, 2**80)
    edges = [0, *table.thresholds, 2**80]
    pmf = {v: (edges[v + 256] - edges[v + 255]) * one for v in range(-255, 256)}
    for d in range(0, int(5 * sigma)):
        needed = sum(p for v, p in pmf.items() if v < d) + pmf[d] / 2
        # The largest certificate below that probability must not reach the shift.
        probability = int(needed * 2**48) - 1
        assert max(radius_q16(probability, table.radius_sigma), 0) <= d << 16
