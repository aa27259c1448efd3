"""Adversarial and quantization loss against their definitions, on networks known by hand."""

import numpy as np
import pytest

from qrobust.attacks import LINF, Budget, losses, square
from qrobust.attacks.ground.pixel_grid import PixelGrid


class Threshold:
    """Class 1 where the one pixel is at least a threshold; shows no gradients."""

    def __init__(self, threshold):
        self.name, self.threshold = f"at {threshold}", threshold
        self.grid, self.shape, self.classes, self.queries = PixelGrid(), (1, 1, 1), 2, 0

    def logits(self, x):
        above = np.asarray(x, np.float32).reshape(len(x)) - self.threshold + 0.5
        return np.stack([-above, above], axis=1).astype(np.float32)


X = np.array([90, 96, 104, 110, 140]).reshape(-1, 1, 1, 1)
Y = np.array([0, 0, 1, 1, 1])


def attack(target, x, y):
    return square(target, x, y, Budget(5, LINF), queries=200)


def test_they_are_differences_of_accuracies():
    exact, coarse = losses({"float": Threshold(100), "w2": Threshold(106)}, X, Y, attack)
    # At 100 all five are right; within 5 LSB fall 96 (up to 101) and 104 (down to 99).
    assert exact.clean.tolist() == [True] * 5
    assert exact.attacked.tolist() == [True, False, False, True, True]
    assert (exact.adversarial, exact.quantization) == (pytest.approx(0.4), 0)
    assert exact.joint == pytest.approx(0.4)
    # At 106, 104 is wrong without any attack, and 110 falls to 105.
    assert coarse.clean.tolist() == [True, True, False, True, True]
    assert coarse.attacked.tolist() == [True, True, False, False, True]
    assert coarse.adversarial == pytest.approx(0.2)
    assert coarse.quantization == pytest.approx(0.2)
    assert coarse.joint == pytest.approx(0.4)


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="Received: none"):
        losses({}, X, Y, attack)
