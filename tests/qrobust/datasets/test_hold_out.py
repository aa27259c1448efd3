"""hold_out: the same examples for every recipe, and none of them in training."""

import numpy as np
import pytest

from qrobust.datasets import Dataset, Split, hold_out


def dataset(n: int = 50, validation: bool = False) -> Dataset:
    part = Split(np.arange(n, dtype=np.int64)[:, None], np.arange(n) % 3)
    return Dataset("numbers", part, part, ("a", "b", "c"), "step", part if validation else None)


def test_parts_are_disjoint_and_complete_and_labels_go_along():
    parted = hold_out(dataset(), 20)
    train, held = parted.train, parted.validation
    assert held is not None and len(held) == 20
    assert np.array_equal(np.sort(np.concatenate([train.x, held.x]).ravel()), np.arange(50))
    for part in (train, held):
        assert np.array_equal(part.y, part.x.ravel() % 3)


def test_the_rule_is_the_documented_one():
    held = hold_out(dataset(), 20).validation
    assert held is not None
    wanted = np.sort(np.random.default_rng(2000).permutation(50)[:20])
    assert np.array_equal(held.x.ravel(), wanted)


@pytest.mark.parametrize("count", [0, -1, 50, 51])
def test_counts_out_of_range_are_refused(count):
    with pytest.raises(ValueError, match="Between 1 and 49"):
        hold_out(dataset(), count)


def test_a_publishers_own_part_is_not_replaced():
    with pytest.raises(ValueError, match="leave held_out at 0"):
        hold_out(dataset(validation=True), 20)
