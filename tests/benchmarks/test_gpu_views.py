"""The formulas of the GPU training's views, against their definitions."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from gpu import pictures, views

SHAPE = (2, 3, 3)


def philox_block(key):
    """Philox4x64-10 at counter 0, written from the paper."""
    mask, counter, key = 2**64 - 1, [0, 0, 0, 0], [key, 0]
    for _ in range(10):
        one = 0xD2E7470EE14C6C93 * counter[0]
        two = 0xCA5A826395121157 * counter[2]
        counter = [
            (two >> 64) ^ counter[1] ^ key[0], two & mask,
            (one >> 64) ^ counter[3] ^ key[1], one & mask,
        ]  # fmt: skip
        key = [(key[0] + 0x9E3779B97F4A7C15) & mask, (key[1] + 0xBB67AE8584CAA73B) & mask]
    return counter


def test_shifts_are_the_halves_of_the_first_words():
    words = philox_block(int.from_bytes(b"splits", "big"))
    halves = [half for word in words for half in (word & 0xFFFFFFFF, word >> 32)]
    assert views.shifts(1000, (2, 2, 2)).ravel().tolist() == [half % 1000 for half in halves]


@pytest.mark.parametrize("splits", [1, 7, 255, 256, 1024])
def test_a_pixel_moves_into_another_cell_for_one_split(splits):
    v = views.shifts(splits, SHAPE)
    x = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.int32)
    changed = np.zeros(SHAPE, int)
    for split in range(splits):
        edge = (split + v) % splits
        low = np.where(x >= edge, edge + splits * ((x - edge) // splits), edge - splits)
        low -= splits * (low > x)
        high = np.minimum(low + splits - 1, 255)
        assert ((low <= x) & (x <= high)).all()
        seen = views.split_pixels(x, split, splits, v)
        np.testing.assert_array_equal(seen, (np.maximum(low, 0) + high) // 2)
        # Cells are told apart by their lower edges; midpoints of neighbours may agree.
        changed += (x + 1 - edge) // splits != (x - edge) // splits
    assert (changed == 1).all()


def test_bands_wrap_around():
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3))
    seen = views.band_pixels(x, np.array([5, 1]).reshape(2, 1, 1, 1), 3)
    for row, columns in ((0, [5, 0, 1]), (1, [1, 2, 3])):
        kept = seen[row][:, columns]
        np.testing.assert_array_equal(kept[..., :3], x[row][:, columns])
        np.testing.assert_array_equal(kept[..., 3:], 255 - x[row][:, columns])
        assert not np.delete(seen[row], columns, axis=1).any()


def test_held_out_pictures_are_never_trained_on():
    data = pictures.Pictures(
        np.zeros((100, 1)), np.zeros(100), np.setdiff1d(np.arange(100), pictures.held_out(100, 20)),
        pictures.held_out(100, 20), 60,
    )  # fmt: skip
    order = data.order(steps=10, batch=8, seed=0, epoch=0)
    assert order.shape == (10, 8)
    assert order.max() < 60
    assert not set(order.ravel()) & set(data.held)
    assert set(order.ravel()) == set(data.train[data.train < 60])
    assert len(data.held_hash) == 64
