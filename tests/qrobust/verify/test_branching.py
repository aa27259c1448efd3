"""Branch and bound against exhaustive enumeration, and its stored trees."""

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify import LinfBall, PixelChanges, Problem, bounding, verify
from qrobust.verify.branching import branch, check_tree
from qrobust.verify.exhaustion import exhaust_box
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN
from qrobust.verify.regions import Box
from qrobust.verify.tree import leaves

from .nets import dense_net, file_of, picture_net


def problem_of(graph):
    return Problem(file_of(graph))


def cases(nets, images, seed=0, **options):
    rng = np.random.default_rng(seed)
    for net in range(nets):
        problem = problem_of(dense_net(net, **options))
        for _ in range(images):
            x = rng.integers(0, 256, problem.domain.shape).astype(np.int16)
            yield problem, x, int(rng.integers(1, 30))


def agree(nets, images):
    """Complete verification equals enumeration; how often each status came up."""
    seen = {PROVEN: 0, REFUTED: 0}
    for problem, x, radius in cases(nets, images):
        region = LinfBall(radius)
        truth = exhaust_box(problem.predictor, x, region.box(x, problem.domain))
        outcome = verify(problem, x, region, budget=10**6)
        assert outcome.status == truth.status
        assert outcome.predicted == truth.predicted
        for method in ("intervals", "linear"):
            if verify(problem, x, region, method).status == PROVEN:
                assert truth.status == PROVEN
        if outcome.counterexample is not None:
            wrong = outcome.counterexample
            assert region.box(x, problem.domain).holds(wrong.picture)
            assert (
                problem.predictor.labels(wrong.picture[None])[0] == wrong.label != outcome.predicted
            )
        else:
            assert (
                check_tree(problem, outcome.tree, region.box(x, problem.domain), outcome.label)
                == ""
            )
        seen[outcome.status] += 1
    return seen


def test_complete_verification_equals_enumeration():
    seen = agree(8, 12)
    assert min(seen.values()) >= 20


@pytest.mark.slow
def test_complete_verification_equals_enumeration_at_length():
    seen = agree(60, 40)
    assert sum(seen.values()) == 2400


def test_three_numbers_and_a_picture():
    rng = np.random.default_rng(3)
    for net in range(3):
        problem = problem_of(picture_net(net))
        x = rng.integers(0, 256, problem.domain.shape).astype(np.int16)
        mask = np.zeros(problem.domain.shape, bool)
        mask.ravel()[rng.choice(16, 3, replace=False)] = True
        region = LinfBall(12, mask)
        truth = exhaust_box(problem.predictor, x, region.box(x, problem.domain))
        assert verify(problem, x, region, budget=10**6).status == truth.status


@pytest.mark.parametrize("radius", [255, 2**62, 2**63 - 1, 2**63, 10**30])
@pytest.mark.parametrize("mask", [None, np.array([True, False])])
def test_a_radius_beyond_the_grid_is_the_grid(radius, mask):
    """The label changes on this grid; a sum that leaves int64 made boxes of darker inputs only."""
    problem = problem_of(dense_net(0))
    x = np.array([5, 7], np.int16)
    box = LinfBall(radius, mask).box(x, problem.domain)
    free = np.array([True, True]) if mask is None else mask
    assert (box.low == np.where(free, 0, x)).all()
    assert (box.high == np.where(free, 255, x)).all()
    if mask is None:
        assert verify(problem, x, LinfBall(radius)).status == REFUTED


@pytest.mark.parametrize("radius", [2.5, float("nan"), float("inf"), "2", None])
@pytest.mark.parametrize("region", [LinfBall, PixelChanges])
def test_radii_are_whole_numbers(region, radius):
    with pytest.raises(CertifyError, match="whole number"):
        region(radius)
    assert region(np.int64(2)).text.endswith(":2")


def test_out_of_budget_is_unknown():
    """One box is not enough for some; a hundred thousand are for all."""
    unknown = 0
    for problem, x, radius in cases(6, 10, inputs=3, hidden=12):
        outcome = verify(problem, x, LinfBall(radius), budget=1)
        decided = verify(problem, x, LinfBall(radius), budget=10**5)
        assert decided.status != UNKNOWN
        assert outcome.status in (UNKNOWN, decided.status)
        if outcome.status == UNKNOWN:
            unknown += 1
            assert outcome.label == -1
    assert unknown > 3


@pytest.mark.parametrize("budget", [float("nan"), 10.5, "10"])
def test_a_budget_is_a_whole_number(budget):
    with pytest.raises(CertifyError, match="a budget is a whole number"):
        verify(file_of(dense_net(0)), np.array([1, 2]), LinfBall(1), budget=budget)


def test_a_zero_budget_is_refused():
    problem, x, _ = next(cases(1, 1))
    with pytest.raises(CertifyError, match="at least 1"):
        verify(problem, x, LinfBall(1), budget=0)


def test_leaves_partition_the_box():
    rng = np.random.default_rng(0)
    for problem, x, radius in cases(4, 6):
        box = LinfBall(radius).box(x, problem.domain)
        outcome = branch(problem, box, int(problem.predictor.labels(x[None])[0]), budget=10**5)
        if outcome.status != PROVEN:
            continue
        parts = leaves(outcome.tree, box)
        assert sum(part.volume for part in parts) == box.volume
        for point in rng.integers(box.low, box.high + 1, (30, *x.shape)):
            assert sum(part.holds(point) for part in parts) == 1


def test_a_false_tree_does_not_stand():
    found = 0
    for problem, x, radius in cases(6, 6):
        region = LinfBall(radius)
        box = region.box(x, problem.domain)
        outcome = verify(problem, x, region, budget=10**6)
        if outcome.status == REFUTED:
            assert check_tree(problem, [-1], box, outcome.predicted) != ""
            found += 1
    assert found > 5


@pytest.mark.parametrize("tree", [[], [0], [-1, -1], [0, 500, -1, -1], [9, 3, -1, -1], "x", [0.5]])
def test_what_is_no_tree_is_refused(tree):
    box = Box(np.zeros((2,), np.int16), np.full((2,), 9, np.int16))
    with pytest.raises(CertifyError):
        leaves(tree, box)


def test_an_unsound_bound_is_caught_by_enumeration(monkeypatch):
    """Planted: linear bounds that are one step too good."""
    true = bounding.LinearBounds.lower

    def generous(self, *args):
        return true(self, *args) + 300

    monkeypatch.setattr(bounding.LinearBounds, "lower", generous)
    with pytest.raises(AssertionError):
        agree(8, 12)
