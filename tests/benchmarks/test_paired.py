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


@pytest.mark.parametrize(("share", "images"), [(1.0, 80), (0.02, 85), (0.02, 200), (0.005, 100)])
def test_intervals_of_means_cover_also_where_few_images_differ(share, images):
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        first = rng.choice([0.0, 0.5, 1.0], size=images)
        changed = (rng.random(images) < share) & (rng.random(images) < 0.5)
        second = np.where(changed, np.maximum(first - 0.5, 0), first)
        truth = share * 0.5 * 0.5 * 2 / 3  # of two thirds of the images half can be taken away
        _, low, high = mean_interval(first, second)
        hits += low <= truth <= high
    assert hits >= 275  # 285 expected; fewer has a chance of a few in ten thousand


def test_an_interval_of_a_mean_has_a_width():
    same = np.linspace(0, 1, 50)
    mean, low, high = mean_interval(same, same)
    assert mean == 0 and low == -high and high == pytest.approx(1 - 0.025 ** (1 / 50))
    assert mean_interval(np.ones(1), np.zeros(1)) == (1.0, pytest.approx(0.025), 1.0)
