"""Shares as integers."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrobust.ensembles import integer_weights


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any), st.integers(1, 32))
def test_no_weight_is_a_whole_one_off_its_share(shares, total):
    weights = integer_weights(shares, total)
    assert all(type(w) is int and 0 <= w <= 32 for w in weights)
    whole = sum(weights)
    assert total % whole == 0
    scale = total // whole
    for weight, share in zip(weights, shares, strict=True):
        assert abs(weight * scale - Fraction(share * total, sum(shares))) < 1


def test_known_proportions():
    assert integer_weights([1, 1, 1]) == (11, 11, 10)
    assert integer_weights([0.5, 0.25, 0.25]) == (2, 1, 1)
    assert integer_weights([0.999, 0.001]) == (1, 0)


@pytest.mark.parametrize("shares", [[], [0, 0], [-1, 2], [float("nan"), 1], [float("inf"), 1]])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="share"):
        integer_weights(shares)


def test_a_total_that_is_none_is_refused():
    with pytest.raises(ValueError, match="1 to 32"):
        integer_weights([1, 2], 33)
