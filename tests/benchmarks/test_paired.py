"""Exact intervals of paired differences: they cover, and they are not wider than they must be."""

import numpy as np
import pytest
from grid.paired import mean_interval, paired_interval


def pairs(up, down, both, n):
    first, second = np.zeros(n, bool), np.zeros(n, bool)
    first[:up] = True
    second[up : up + down] = True
    first[up + down : up + down + both] = second[up + down : up + down + both] = True
    return first, second


def test_the_difference_lies_inside_and_turns_with_the_order():
    first, second = pairs(40, 20, 200, 500)
    difference, low, high = paired_interval(first, second)
    assert difference == pytest.approx(0.04) and low < 0.04 < high
    turned = paired_interval(second, first)
    assert turned == pytest.approx((-difference, -high, -low), abs=1e-9)


def test_it_agrees_with_mcnemar_on_which_side_of_zero():
    # 40 to 20 of 60 has a two-sided exact p of .014; 33 to 27 one of .52.
    assert paired_interval(*pairs(40, 20, 200, 500))[1] > 0
    assert paired_interval(*pairs(33, 27, 200, 500))[1] < 0


def test_nothing_differs():
    difference, low, high = paired_interval(*pairs(0, 0, 30, 100))
    # Clopper-Pearson's 3.6 % for none of 100, a little wider for the nuisance.
    assert difference == 0 and low == pytest.approx(-high) and 0.03 < high < 0.07


@pytest.mark.ordinary(1)
@pytest.mark.parametrize(("up", "down"), [(0.05, 0.02), (0.5, 0.1)])
def test_it_covers(up, down):
    rng, n, runs = np.random.default_rng(0), 40, 60
    missed = 0
    for _ in range(runs):
        draws = rng.choice(3, n, p=[up, down, 1 - up - down])
        _, low, high = paired_interval(draws == 0, draws == 1)
        missed += not low <= up - down <= high
    # P(more than 8 of 60 at 5 %) is .3 %.
    assert missed <= 8


def test_intervals_of_means_cover_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        first = rng.choice([0.0, 0.25, 0.5, 1.0], size=80, p=[0.4, 0.2, 0.2, 0.2])
        second = np.clip(first - rng.choice([0.0, 0.25], size=80), 0, 1)
        truth = 0.6 * 0.125  # what is above 0 loses a quarter half of the time
        _, low, high = mean_interval(first, second)
        hits += low <= truth <= high
    assert 180 <= hits <= 199  # 190 expected
    assert mean_interval(first, first) == (0.0, 0.0, 0.0)
