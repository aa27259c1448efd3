"""Bad input gets one clear error: what, where, what to do."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from qrobust.attacks import Budget, KerasTarget, PixelGrid, carlini_wagner, projected_gradient
from qrobust.attacks import square as square_attack

BUDGET = Budget(8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x, y: (x.astype(int) + 200, y), "off the input grid"),
        (lambda x, y: (x.astype(np.float32) - 0.6, y), "image .* -1 LSB"),
        (lambda x, y: (x * np.nan, y), "NaN"),
        (lambda x, y: (x.astype(str), y), "integers or floats"),
        (lambda x, y: (x[:, :2], y), r"takes \(images, 8, 8, 1\)"),
        (lambda x, y: (x[:0], y[:0]), "at least one image"),
        (lambda x, y: (x, y + 5), "classes 0 to 9"),
        (lambda x, y: (x, -1 - y), "has label -"),
        (lambda x, y: (x, y.astype(float)), "integer labels"),
        (lambda x, y: (x, y[:-1]), "40 integer labels"),
    ],
)
def test_bad_images_and_labels(change, says, digits, digits_file):
    x, y = change(*digits)
    with pytest.raises(ValueError, match=says):
        square_attack(digits_file, x, y, BUDGET, queries=3)


@pytest.mark.parametrize(
    "attack",
    [lambda t, x, y: projected_gradient(t, x, y, BUDGET), carlini_wagner],
    ids=["projected_gradient", "carlini_wagner"],
)
def test_a_file_shows_no_gradients(attack, digits, digits_file):
    with pytest.raises(ValueError, match="shows no gradients.*surrogate"):
        attack(digits_file, *digits)


@pytest.mark.parametrize("shape", [(1,), (4, 2)])
def test_models_that_are_no_classifiers(shape):
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(shape[-1])])
    if len(shape) == 1:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="an attack needs"):
        KerasTarget(model)


def test_a_grid_has_room():
    with pytest.raises(ValueError, match="low < high"):
        PixelGrid(3, 3)


def test_black_box_attacks_load_no_tensorflow():
    code = "import sys, qrobust.attacks; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
