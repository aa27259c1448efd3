import numpy as np
import pytest

from qrobust.datasets import Split


def test_holds_integers():
    split = Split(np.zeros((3, 2), np.uint8), np.array([0, 1, 1], np.uint8))
    assert len(split) == 3
    assert split.x.dtype == np.uint8 and split.y.dtype == np.int64
    assert repr(split) == "Split(3 of (2,) uint8)"


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((2, 2)), np.zeros(2, int), "float64"),
        (np.zeros((2, 2), int), np.zeros(2), "float64"),
        (np.zeros((2, 2), int), np.zeros(3, int), r"\(2, 2\) and \(3,\)"),
        (np.zeros((0, 2), int), np.zeros(0, int), "at least one"),
        (np.zeros(2, int), np.zeros(2, int), r"\(2,\) and \(2,\)"),
        (np.zeros((2, 2), int), np.zeros((2, 1), int), r"\(2, 1\)"),
        (np.zeros((2, 2), int), np.array([0, -1]), "from 0. Received: -1"),
    ],
)
def test_bad_arrays(x, y, message):
    with pytest.raises(ValueError, match=message):
        Split(x, y)
