"""Counting over bands and blocks, by brute force over patches of small pictures."""

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.bands import (
    band_views,
    block_views,
    encode,
    stands,
    touched_bands,
    touched_blocks,
)
from qrobust.certify.smoothings.counting import Counting
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.splits import margin, winner


def test_delta_is_the_number_of_bands_that_a_patch_touches():
    """Over all places of a patch: the most views that change, by looking."""
    for width in (5, 7):
        x = np.full((3, width, 1), 4)
        for band in range(1, width + 1):
            before = band_views(x, band, 9)
            for m in range(1, width + 1):
                touched = []
                for left in range(width - m + 1):
                    y = x.copy()
                    y[:m, left : left + m] = 8
                    touched.append((band_views(y, band, 9) != before).any(axis=(1, 2, 3)).sum())
                assert max(touched) == touched_bands(m, band, width)


def test_delta_of_blocks():
    height, width = 4, 5
    x = np.full((height, width, 2), 4)
    for block in range(1, 5):
        before = block_views(x, block, 9)
        for m in range(1, 5):
            touched = []
            for top in range(height - m + 1):
                for left in range(width - m + 1):
                    y = x.copy()
                    y[top : top + m, left : left + m, 0] = 1
                    touched.append((block_views(y, block, 9) != before).any(axis=(1, 2, 3)).sum())
            assert max(touched) == touched_blocks(m, block, height, width)


def test_bands_show_and_hide():
    x = np.arange(1, 13).reshape(2, 6, 1)
    views = band_views(x, 3, 20)
    assert views.shape == (6, 2, 6, 2)
    for p in range(6):
        shown = {(p + k) % 6 for k in range(3)}
        for column in range(6):
            expected = [x[0, column, 0], 20 - x[0, column, 0]] if column in shown else [0, 0]
            assert views[p, 0, column].tolist() == expected


def test_null_is_no_picture():
    for value in range(10):
        code = encode(np.full((1, 1, 2), value), np.array([[True]]), 9)
        assert code.any()
    assert not encode(np.full((1, 1, 2), 5), np.array([[False]]), 9).any()


def vote(logits, threshold):
    """One vote for each row; -1 where the best is not that much better than the second."""
    ordered = np.sort(logits, axis=1)
    sure = ordered[:, -1] - ordered[:, -2] >= threshold
    return np.where(sure, logits.argmax(axis=1), -1)


def count(votes, classes):
    return np.bincount(votes[votes >= 0], minlength=classes)


def random_network(rng, width, classes, threshold):
    """Votes of a random linear network with integer logits on band views of one row."""
    weights = rng.integers(-3, 4, (classes, width * 2))
    bias = rng.integers(-4, 5, classes)
    return lambda views: vote(views.reshape(len(views), -1) @ weights.T + bias, threshold)


def brute(trials, seed=0, delta=touched_bands, rule=stands, until=10**9):
    """Pairs (picture, patched picture) inside claims, violations, claims.

    Every content of every patch of one-row pictures with two or three levels: since only columns
    matter, one row says it all.
    """
    rng = np.random.default_rng(seed)
    pairs = violations = claims = 0
    for _ in range(trials):
        if violations >= until:
            break
        width, top, classes = (
            int(rng.integers(6, 13)),
            int(rng.integers(1, 3)),
            int(rng.integers(2, 4)),
        )
        band, m = int(rng.integers(1, 4)), int(rng.integers(1, 3))
        network = random_network(rng, width, classes, int(rng.integers(0, 3)))
        x = rng.integers(0, top + 1, (1, width, 1))
        votes = count(network(band_views(x, band, top)), classes)
        if not rule(votes, delta(m, band, width)):
            continue
        claims += 1
        label = winner(votes)
        contents = np.stack(np.meshgrid(*[np.arange(top + 1)] * m, indexing="ij"), -1).reshape(
            -1, m
        )
        for left in range(width - m + 1):
            for content in contents:
                y = x.copy()
                y[0, left : left + m, 0] = content
                changed = count(network(band_views(y, band, top)), classes)
                pairs += 1
                violations += winner(changed) != label
    return pairs, violations, claims


def test_no_claim_is_wrong():
    pairs, violations, claims = brute(200)
    assert violations == 0
    assert claims > 30
    assert pairs > 1000


def worst_case(votes, delta, classes):
    """All that ``delta`` inferences could say instead, in counts: the strongest enemy there is."""
    label = winner(votes)
    for lost in range(min(delta, int(votes[label])) + 1):
        for c in range(classes):
            if c != label:
                after = votes.copy()
                after[label] -= lost
                after[c] += delta
                yield winner(after)


@pytest.mark.parametrize(
    ("rule", "exact"),
    [
        (stands, True),
        (lambda v, d: v[winner(v)] - np.sort(v)[-2] >= 2 * d, False),  # the tie rule dropped
        (lambda v, d: stands(v, d - 1), False),
    ],
    ids=["exact", "no tie rule", "delta - 1"],
)
def test_the_rule_is_exact_in_counts(rule, exact):
    """A claim for each of 10**5 counts stands against the strongest enemy, and only then."""
    rng = np.random.default_rng(4)
    wrong = missed = 0
    for _ in range(4000):
        votes = rng.multinomial(int(rng.integers(2, 30)), [0.6, 0.25, 0.15])[rng.permutation(3)]
        delta = int(rng.integers(1, 8))
        label = winner(votes)
        kept = all(found == label for found in worst_case(votes, delta, 3))
        claimed = bool(rule(votes, delta))
        wrong += claimed and not kept
        missed += kept and not claimed
    assert (wrong == 0) == exact
    if exact:
        assert missed == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"delta": lambda m, s, w: touched_bands(m, s, w) - 1},
        {"rule": lambda v, d: stands(v, d // 2)},
    ],
    ids=["delta - 1", "half of delta"],
)
def test_planted_faults_are_found(fault):
    assert brute(1500, seed=5, until=1, **fault)[1] > 0


@pytest.mark.slow
def test_no_claim_is_wrong_at_length():
    pairs, violations, claims = brute(40_000, seed=6)
    assert violations == 0
    assert claims >= 1_000
    assert pairs >= 200_000


def test_certified_patch_is_the_largest_that_stands():
    rng = np.random.default_rng(7)
    for _ in range(200):
        width = int(rng.integers(4, 20))
        votes = rng.multinomial(int(rng.integers(1, width + 1)), [0.8, 0.15, 0.05])
        band = int(rng.integers(1, width))
        kind = Counting("bands", band, InputGrid("int8", 1.0, -128), (width, width, 2))
        m = kind.radius(margin(votes))
        assert m == 0 or stands(votes, touched_bands(m, band, width))
        assert m == width or not stands(votes, touched_bands(m + 1, band, width))


@pytest.mark.parametrize(
    "call",
    [
        lambda: touched_bands(0, 1, 5), lambda: touched_bands(6, 1, 5),
        lambda: touched_bands(1, 6, 5),
        lambda: touched_blocks(5, 1, 4, 9), lambda: touched_blocks(1, 0, 4, 4),
        lambda: encode(np.full((2, 2, 1), 10), np.ones((2, 2), bool), 9),
        lambda: encode(np.zeros((2, 2)), np.ones((2, 2), bool), 9),
        lambda: band_views(np.zeros((2, 3, 1), int), 4, 9),
        lambda: block_views(np.zeros((2, 3, 1), int), 3, 9),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(CertifyError):
        call()
