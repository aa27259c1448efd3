import random
from fractions import Fraction
from math import comb

import mpmath
import pytest

from qrobust.certify.core.rounded import bernoulli, choose, normal_cdf, power, tail

CLOSE = 1 + Fraction(1, 2**70)


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("bits", [48, 80, 144])
def test_normal_cdf_encloses_mpmath(bits):
    rng = random.Random(bits)
    with mpmath.workprec(2000):
        for _ in range(300):
            x = Fraction(rng.randint(-(10**7), 10**7), rng.randint(1, 10**6))
            low, high = normal_cdf(x, bits)
            exact = mpmath.ncdf(mpmath.mpf(x.numerator) / x.denominator) * 2**bits
            assert low <= exact <= high
            assert high - low <= 1


def test_normal_cdf_far_out_and_at_zero():
    assert normal_cdf(Fraction(10**9), 48) == (2**48 - 1, 2**48)
    assert normal_cdf(Fraction(-(10**9)), 48) == (0, 1)
    low, high = normal_cdf(Fraction(0), 48)
    assert low <= 2**47 <= high <= low + 1


def test_choose_is_never_below():
    for n in (1, 2, 63, 64, 65, 300, 5000):
        for k in {0, 1, n // 3, n // 2, n - 1, n}:
            found = choose(n, k).fraction()
            assert comb(n, k) <= found <= comb(n, k) * CLOSE


def test_powers_err_to_their_side():
    rng = random.Random(1)
    for _ in range(100):
        p, n = rng.randint(1, 2**48 - 1), rng.randint(0, 400)
        k = rng.randint(0, n)
        exact = Fraction(p) ** k * Fraction(2**48 - p) ** (n - k)
        low, high = (bernoulli(p, n, k, up=up).fraction() for up in (False, True))
        assert low <= exact <= high <= low * CLOSE
        assert power(p, k, up=True).fraction() >= p**k >= power(p, k, up=False).fraction()


def test_tail_is_never_below_the_exact_one():
    rng = random.Random(2)
    for _ in range(300):
        n = rng.randint(1, 120)
        k, p = rng.randint(0, n), rng.randint(0, 2**48 - 1)
        weight = Fraction(rng.randint(1, 2**64), 2**64)
        share = Fraction(p, 2**48)
        terms = [comb(n, j) * share**j * (1 - share) ** (n - j) for j in range(n + 1)]
        exact = sum(terms[k + 1 :], weight * terms[k])
        found = tail(n, k, p, weight)
        if k <= n * share:
            assert found == 1
        else:
            assert exact <= found <= exact * CLOSE
