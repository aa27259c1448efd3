"""Adversarial inputs are integers, on the grid, inside the ball; sizes are exact."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qrobust.attacks import L2, LINF, Budget, PixelGrid, distances, project, verify
from qrobust.attacks.ground.generators import generators
from qrobust.attacks.ground.pixel_grid import random_start, violations

GRIDS = (PixelGrid(), PixelGrid(-128, 127, 0.5), PixelGrid(0, 15))
epsilons = st.floats(1, 400, allow_nan=False)


@st.composite
def problems(draw):
    grid = draw(st.sampled_from(GRIDS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.integers(grid.low, grid.high + 1, (5, 3, 4)).astype(np.int16)
    scale = draw(st.sampled_from([0.1, 1.0, 20.0, 1000.0]))
    budget = Budget(draw(epsilons), draw(st.sampled_from([LINF, L2])))
    return grid, x, x + rng.normal(0, scale, x.shape), budget


@settings(max_examples=200, deadline=None)
@given(problems())
def test_projections_are_integers_in_the_ball(problem):
    grid, x, wanted, budget = problem
    found = project(x, wanted, budget, grid)
    # Python's integers, not the function under test, decide.
    for clean, moved in zip(x, found, strict=True):
        delta = [int(b) - int(a) for a, b in zip(clean.flat, moved.flat, strict=True)]
        size = max(map(abs, delta)) if budget.norm == LINF else sum(d * d for d in delta) ** 0.5
        assert size <= budget.epsilon + 1e-12
        assert all(grid.low <= int(v) <= grid.high for v in moved.flat)
    assert violations(x, found, budget, grid) == 0
    again = project(x, found, budget, grid)
    np.testing.assert_array_equal(again, found)


@settings(max_examples=50, deadline=None)
@given(problems(), st.integers(0, 2**32))
def test_starts_lie_in_the_ball(problem, seed):
    grid, x, _, budget = problem
    start = random_start(x, budget, grid, generators(seed, len(x)))
    delta = (start - x).reshape(len(x), -1)
    size = np.linalg.norm(delta, axis=1, ord=np.inf if budget.norm == LINF else 2)
    assert (size <= budget.epsilon * (1 + 1e-12)).all()


def test_a_wide_perturbation_under_one_step_a_pixel_survives_the_rounding():
    """Rounded or truncated plainly, 0.4 a pixel would vanish: the clean image would come back."""
    x = np.full((1, 32, 32, 3), 100, np.int16)
    wanted = x + np.random.default_rng(0).normal(0, 0.3, x.shape)
    budget = Budget(12, L2)
    found = distances(x, project(x, wanted, budget, PixelGrid()))["l2"]
    assert found.item() > 11.5


def test_no_integer_is_nearer_in_linf():
    x, grid, budget = np.array([[3, 250]], np.int16), PixelGrid(), Budget(6)
    allowed = list(product(range(0, 10), range(244, 256)))
    for wanted in np.random.default_rng(1).uniform(-20, 280, (50, 1, 2)):
        found = project(x, wanted, budget, grid)[0]
        nearest = min(np.abs(np.array(a) - wanted[0]).sum() for a in allowed)
        assert np.abs(found - wanted[0]).sum() == pytest.approx(nearest)


def test_verify_counts_violations():
    x = np.zeros((4, 2, 2), np.int16)
    moved = x.copy()
    moved[0, 0, 0], moved[1, 0, 0], moved[2, 0, 0] = 9, -1, 8
    assert violations(x, moved, Budget(8), PixelGrid()) == 2
    with pytest.raises(ValueError, match="2 of 4 adversarial inputs"):
        verify(x, moved, Budget(8), PixelGrid())
    assert violations(x, x + 0.5, None, PixelGrid()) == 4


def test_distances_are_those_of_numpy():
    rng = np.random.default_rng(2)
    x, moved = rng.integers(0, 256, (2, 6, 4, 4, 1)).astype(np.int16)
    sizes = distances(x, moved)
    delta = (moved.astype(float) - x).reshape(6, -1)
    for name, order in {"l0": 0, "l1": 1, "l2": 2, "linf": np.inf}.items():
        np.testing.assert_allclose(sizes[name], np.linalg.norm(delta, order, axis=1), rtol=1e-12)


@pytest.mark.parametrize("epsilon", [0, -1, 0.5, float("nan"), float("inf")])
def test_a_budget_without_integers_is_refused(epsilon):
    with pytest.raises(ValueError, match="at least 1"):
        Budget(epsilon)


def test_unknown_norm():
    with pytest.raises(ValueError, match="'l3'"):
        Budget(8, "l3")
