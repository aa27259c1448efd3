"""Which pictures the GPU training sees."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from gpu import pictures

from qrobust.datasets import Dataset, Split, hold_out


def test_held_out_pictures_are_never_trained_on():
    data = pictures.Pictures(
        np.zeros((100, 1)), np.zeros(100), np.setdiff1d(np.arange(100), pictures.held_out(100, 20)),
        pictures.held_out(100, 20),
    )  # fmt: skip
    order = data.order(steps=10, batch=8, seed=0, epoch=0)
    assert order.shape == (10, 8)
    assert not set(order.ravel()) & set(data.held)
    assert set(order.ravel()) == set(data.train)
    assert len(data.held_hash) == 64


def test_held_out_are_the_pictures_that_recipes_hold_out():
    """Trained here, chosen there: one split, or a choice by pictures that were trained on."""
    x = np.arange(300).reshape(300, 1)
    part = Split(x, np.arange(300) % 2)
    there = hold_out(Dataset("numbers", part, part, ("even", "odd"), "unit"), 40)
    held = pictures.held_out(300, 40)
    np.testing.assert_array_equal(there.validation.x[:, 0], held)
    np.testing.assert_array_equal(there.train.x[:, 0], np.setdiff1d(np.arange(300), held))
    # Another seed is another split: the test would tell.
    assert set(pictures.held_out(300, 40, seed=1)) != set(held)
