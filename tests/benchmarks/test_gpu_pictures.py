"""Which pictures the GPU training sees."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from gpu import pictures


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
