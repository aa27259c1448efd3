import numpy as np
import pytest

from qrobust.datasets import digits


def test_pixels_and_shares():
    data = digits()
    assert (len(data.train), len(data.test)) == (1_297, 500)
    assert data.train.x.shape[1:] == (8, 8, 1) and data.train.x.dtype == np.uint8
    # Grey levels 0..16 of the publisher, times 16, the last clipped.
    assert set(np.unique(data.train.x)) == {*range(0, 256, 16), 255}
    shares = np.bincount(data.test.y) / 500 - np.bincount(data.train.y) / 1_297
    assert np.abs(shares).max() < 0.01


def test_split_is_chosen_by_the_seed():
    first, again, other = digits(), digits(0), digits(1)
    np.testing.assert_array_equal(first.test.x, again.test.x)
    assert not np.array_equal(first.test.x, other.test.x)
    # Nothing is lost or doubled, whatever the seed.
    total = first.train.x.sum(dtype=int) + first.test.x.sum(dtype=int)
    assert total == other.train.x.sum(dtype=int) + other.test.x.sum(dtype=int)


@pytest.mark.parametrize("size", [3, 1_797])
def test_impossible_split(size):
    with pytest.raises(ValueError):
        digits(test_size=size)
