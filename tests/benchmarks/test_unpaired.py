"""Newcombe's interval against his own tables and against simulation."""

import numpy as np
import pytest
from grid.unpaired import unpaired_interval


@pytest.mark.parametrize(
    ("first", "second", "ends"),
    [  # Newcombe 1998, Table II, method 10, contrasts (a), (c), (e) and (g).
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ],
)
def test_equals_the_published_table(first, second, ends):
    difference, low, high = unpaired_interval(first, second)
    assert difference == pytest.approx(first[0] / first[1] - second[0] / second[1])
    # Zero counts are rounded differently in the fourth place.
    assert (low, high) == pytest.approx(ends, abs=2e-4)


def test_turned_round():
    difference, low, high = unpaired_interval((411, 500), (667, 780))
    assert unpaired_interval((667, 780), (411, 500)) == pytest.approx((-difference, -high, -low))


def test_covers():
    rng = np.random.default_rng(0)
    draws = zip(rng.binomial(500, 0.82, 400), rng.binomial(780, 0.85, 400), strict=True)
    ends = [unpaired_interval((int(a), 500), (int(b), 780))[1:] for a, b in draws]
    assert np.mean([low <= -0.03 <= high for low, high in ends]) > 0.92
