from fractions import Fraction
from math import comb

import pytest
from scipy import stats

from qrobust.certify.arithmetic.joint import most_false, most_undrawn


@pytest.mark.parametrize("images", [1, 10, 500, 10_000])
@pytest.mark.parametrize("alpha", ["0.001", "1/3", "0.5"])
@pytest.mark.parametrize("beta", ["0.01", "0.2"])
def test_most_false_is_the_binomial_quantile(images, alpha, beta):
    alpha, beta = Fraction(alpha), Fraction(beta)
    k = most_false(images, alpha, beta)
    law = stats.binom(images, float(alpha))
    assert law.sf(k) <= float(beta) * (1 + 1e-9)
    assert k <= images * alpha or law.sf(k - 1) > float(beta) * (1 - 1e-9)


def test_most_undrawn_is_the_hypergeometric_bound():
    for lines, drawn in ((12, 3), (40, 4), (1000, 100), (7, 7)):
        k = most_undrawn(lines, drawn, Fraction(1, 20))
        missed = [Fraction(comb(lines - bad, drawn), comb(lines, drawn)) for bad in (k, k + 1)]
        assert k == 0 or missed[0] >= Fraction(1, 20)
        assert missed[1] < Fraction(1, 20)
