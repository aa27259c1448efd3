"""Counting over splits, by brute force over all pairs of inputs of small grids."""

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.smoothings.counting import Counting
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.splits import (
    SHIFT_KEY,
    Splits,
    margin,
    split_shifts,
    winner,
)

from ..philox_reference import philox_block

COUNTING = Counting("splits", 4, InputGrid("int8", 1.0, -128), (5,))


def split_radius(votes, unseen=0):
    """What a certificate says of these votes, with so many splits not run."""
    return COUNTING.radius(margin(votes) - unseen)


def test_shifts_are_the_words_of_the_specification():
    halves = []
    for block in range(3):
        for word in philox_block((block, 0, 0, 0), (SHIFT_KEY, 0)):
            halves += [word & 0xFFFFFFFF, word >> 32]
    assert bytes.fromhex(f"{SHIFT_KEY:x}") == b"splits"
    for m in (1, 7, 256, 1000):
        assert split_shifts(21, m).tolist() == [half % m for half in halves[:21]]
    assert split_shifts(5, 256).tolist() == split_shifts(20, 256)[:5].tolist()


def test_moving_a_number_by_1_changes_its_cell_in_exactly_one_split():
    """With M wider than the grid a cell may keep its middle, never change in two splits."""
    for m in (1, 2, 3, 5, 8, 13):
        kind = Splits(m, 3, 9)
        for i in range(3):
            for value in range(9):
                a, b = np.array([4, 4, 4]), np.array([4, 4, 4])
                a[i], b[i] = value, value + 1
                changed = (kind.shown(a) != kind.shown(b)).sum()
                assert changed <= 1
                assert changed == 1 or m > 9


def test_the_formula_by_loops():
    kind = Splits(6, 4, 10)
    x = np.array([0, 3, 9, 10])
    for s in range(6):
        for i in range(4):
            start = (s + int(kind.shifts[i])) % 6
            cell = [v for v in range(11) if (v - start) // 6 == (x[i] - start) // 6]
            assert kind.shown(x)[s, i] == (cell[0] + cell[-1]) // 2
    np.testing.assert_array_equal(kind.shown(x, 2, 5), kind.shown(x)[2:5])


def grid(d, top):
    return np.stack(np.meshgrid(*[np.arange(top + 1)] * d, indexing="ij"), axis=-1).reshape(-1, d)


def random_network(rng, d, top, classes):
    """Anything that maps shown inputs to classes: mostly a threshold, sometimes noise."""
    weights, bias = rng.normal(size=(classes, d)), rng.normal(size=classes) * top / 2
    table = rng.integers(0, classes, (top + 1) ** d)
    noisy = rng.random((top + 1) ** d) < rng.choice([0, 0.05, 0.3])
    places = (top + 1) ** np.arange(d)

    def network(shown):
        number = shown @ places
        return np.where(noisy[number], table[number], np.argmax(shown @ weights.T + bias, axis=-1))

    return network


def brute(trials, seed=0, shown=Splits.shown, radius=split_radius):
    """Pairs inside certified balls, violations, certificates with R >= 1."""
    rng = np.random.default_rng(seed)
    pairs = violations = certificates = 0
    for _ in range(trials):
        d, top = [(1, 30), (2, 8), (3, 4)][rng.integers(3)]
        classes, m = int(rng.integers(2, 4)), int(rng.integers(2, 24))
        kind, network = Splits(m, d, top), random_network(rng, d, top, classes)
        points = grid(d, top)
        votes = np.array([np.bincount(network(shown(kind, x)), minlength=classes) for x in points])
        labels = votes.argmax(axis=1)
        radii = np.array([radius(v) for v in votes])
        distance = np.abs(points[:, None] - points[None]).sum(axis=2)
        inside = (distance <= radii[:, None]) & (distance > 0)
        pairs += int(inside.sum())
        violations += int((inside & (labels[:, None] != labels[None])).sum())
        certificates += int((radii >= 1).sum())
    return pairs, violations, certificates


def test_no_certificate_is_wrong():
    pairs, violations, certificates = brute(40)
    assert violations == 0
    assert pairs > 20_000
    assert certificates > 500


@pytest.mark.slow
def test_no_certificate_is_wrong_in_a_million_pairs():
    pairs, violations, certificates = brute(1500, seed=1)
    assert violations == 0
    assert pairs >= 1_000_000
    assert certificates >= 1_000


def without_tie_rule(votes):
    best = winner(votes)
    return int(votes[best] - np.delete(votes, best).max()) // 2


def keyed_by_the_input(self, x):
    """Shifts that depend on the input: the argument is gone."""
    rng = np.random.default_rng(int(np.abs(hash(tuple(x.tolist())))))
    shifts = rng.integers(0, self.splits, self.coordinates)
    begin = (np.arange(self.splits)[:, None] + shifts) % self.splits
    edge = begin + self.splits * ((x - begin) // self.splits)
    return (np.maximum(edge, 0) + np.minimum(edge + self.splits - 1, self.top)) // 2


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    "fault",
    [
        {"radius": lambda votes: split_radius(votes) + 1},
        {"radius": without_tie_rule},
        {"radius": lambda votes: (margin(votes) + 1) // 2},
        {"shown": keyed_by_the_input},
    ],
    ids=["R + 1", "no tie rule", "rounded up", "shifts keyed by the input"],
)
def test_planted_faults_are_found(fault):
    assert brute(60, seed=2, **fault)[1] > 0


def test_a_partial_radius_is_never_above_the_whole_one():
    rng = np.random.default_rng(3)
    settled = 0
    for _ in range(300):
        m = int(rng.integers(2, 40))
        votes = rng.choice(3, m, p=[0.75, 0.15, 0.1])
        whole = np.bincount(votes, minlength=3)
        assert split_radius(whole) == margin(whole) // 2
        for seen in range(m):
            part = np.bincount(votes[:seen], minlength=3)
            radius = split_radius(part, m - seen)
            if radius != ABSTAIN and seen:
                settled += 1
                assert winner(part) == winner(whole)
                assert radius <= split_radius(whole)
    assert settled > 300


def test_ties_and_margins():
    assert (winner(np.array([3, 3])), margin(np.array([3, 3]))) == (0, 0)
    assert margin(np.array([3, 4])) == 0  # one vote back and class 0 wins the tie
    assert margin(np.array([4, 3])) == 1
    assert split_radius(np.array([0, 10, 4])) == 3
    assert split_radius(np.array([4, 10, 0])) == 2
    assert split_radius(np.array([5, 0]), 6) == ABSTAIN


@pytest.mark.parametrize("m", [0, -1, 65537])
def test_bad_numbers_of_splits(m):
    with pytest.raises(CertifyError, match="splits"):
        Splits(m, 4, 255)


def test_bad_inputs():
    kind = Splits(8, 4, 255)
    for x in (np.zeros(3, int), np.full(4, 256), np.full(4, -1), np.zeros(4)):
        with pytest.raises(CertifyError):
            kind.shown(x)
    with pytest.raises(CertifyError):
        kind.shown(np.zeros(4, int), 3, 9)
    with pytest.raises(CertifyError):
        margin(np.array([4]))
    with pytest.raises(CertifyError):
        split_shifts(0, 4)
    with pytest.raises(CertifyError):
        Splits(4, 2, 0)
