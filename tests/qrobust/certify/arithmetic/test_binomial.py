from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qrobust.certify.arithmetic.binomial import lower_bound, tail_is_below

ONE = 1 << 48


def exact_tail(n, k, p):
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


@given(st.integers(1, 40), st.data())
def test_comparison_is_exact(n, data):
    k = data.draw(st.integers(0, n))
    p = Fraction(data.draw(st.integers(0, ONE - 1)), ONE)
    tail = exact_tail(n, k, p)
    levels = [Fraction(1, 1000), Fraction(1, 2), tail, tail * (1 + Fraction(1, 2**200))]
    for level in levels:
        if 0 < level <= Fraction(1, 2):
            assert tail_is_below(n, k, p, level) == (tail < level)


@given(st.integers(1, 60), st.data())
def test_bound_is_the_largest_that_holds(n, data):
    k = data.draw(st.integers(1, n))
    level = Fraction(data.draw(st.integers(1, 500)), 1000)
    bound = lower_bound(n, k, level)
    assert exact_tail(n, k, Fraction(bound, ONE)) < level
    assert bound + 1 == ONE or exact_tail(n, k, Fraction(bound + 1, ONE)) >= level


@pytest.mark.parametrize("n", [10, 100, 1000, 10_000, 100_000])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.51, 0.7, 0.99, 1.0])
def test_clopper_pearson_against_scipy(n, share):
    k = int(n * share)
    bound = lower_bound(n, k, Fraction(1, 1000)) / ONE
    # SciPy's beta quantile is a float's accuracy away from the truth.
    np.testing.assert_allclose(bound, stats.beta.ppf(0.001, k, n - k + 1), rtol=1e-10)


def test_any_guess_gives_the_same_bound():
    answers = {lower_bound(500, 400, Fraction(1, 1000), guess=g) for g in (None, 0, ONE, 7 << 45)}
    assert len(answers) == 1


def test_no_votes_no_bound():
    assert lower_bound(100, 0, Fraction(1, 1000)) == 0


@pytest.mark.parametrize(
    ("n", "k", "level"),
    [
        (0, 0, Fraction(1, 9)),
        (5, 6, Fraction(1, 9)),
        (5, -1, Fraction(1, 9)),
        (5, 5, Fraction(0)),
        (5, 5, Fraction(3, 4)),
    ],
)
def test_bad_arguments(n, k, level):
    with pytest.raises(ValueError, match="received"):
        lower_bound(n, k, level)


def test_probabilities_off_the_grid_are_refused():
    with pytest.raises(ValueError, match="multiple of 2"):
        tail_is_below(5, 3, Fraction(1, 3), Fraction(1, 10))
