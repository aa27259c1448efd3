"""Bad input gets one clear error: what, where, what to do."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from qrobust.attacks import (
    Budget,
    KerasTarget,
    PixelGrid,
    basic_iterative,
    carlini_wagner,
    hop_skip_jump,
    momentum_iterative,
    projected_gradient,
    robustness_curve,
    spsa,
    white_box,
    worst_case,
)
from qrobust.attacks import square as square_attack

BUDGET = Budget(8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x, y: (x.astype(int) + 200, y), "off the model's input grid"),
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


def test_a_subclassed_model_is_to_be_wrapped():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model(np.zeros((1, 4), np.float32))
    with pytest.raises(ValueError, match=r"subclassed.*keras\.Model\(inputs"):
        KerasTarget(model)


@pytest.mark.parametrize(
    ("attack", "options"),
    [
        (projected_gradient, {"losses": ()}),
        (projected_gradient, {"losses": ("hinge",)}),
        (projected_gradient, {"losses": "margin"}),
        (projected_gradient, {"step": 0.0}),
        (projected_gradient, {"restarts": 0}),
        (basic_iterative, {"step": 0.0}),
        (momentum_iterative, {"step": -1.0}),
        (basic_iterative, {"steps": 0}),
        (spsa, {"learning_rate": 0.0}),
        (white_box, {"leave_out": ("CW",)}),
        (white_box, {"leave_out": "SPSA"}),
    ],
)
def test_useless_settings_of_bounded_attacks(attack, options, linear, pixels, labels):
    with pytest.raises(ValueError, match="Received"):
        attack(linear, pixels, labels, BUDGET, **options)


@pytest.mark.parametrize(
    "options",
    [{"learning_rate": 0.0}, {"constant": 0.0}, {"confidence": -1.0}, {"searches": 0}],
)
def test_useless_settings_of_carlini_wagner(options, linear, pixels, labels):
    with pytest.raises(ValueError, match="Received"):
        carlini_wagner(linear, pixels, labels, **options)


def test_an_unknown_norm_to_make_small(linear, pixels, labels):
    with pytest.raises(ValueError, match="'l1'"):
        hop_skip_jump(linear, pixels, labels, None, norm="l1")


def test_a_grid_has_room():
    with pytest.raises(ValueError, match="low < high"):
        PixelGrid(3, 3)


def test_black_box_attacks_load_no_tensorflow():
    code = "import sys, qrobust.attacks; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_reprs_fit_a_line(linear, pixels, labels, digits_file):
    attacked = projected_gradient(linear, pixels, labels, BUDGET, steps=2, restarts=1)
    for shown in (attacked, linear, digits_file, BUDGET, linear.grid):
        assert len(repr(shown)) < 100 and "\n" not in repr(shown)
    assert "PGD" in repr(attacked) and f"of {len(labels)} fell" in repr(attacked)


def test_an_image_off_the_grid_is_named(linear, pixels, labels):
    x = pixels.astype(int)
    x[3, 0] = linear.grid.high + 1
    with pytest.raises(ValueError, match="image 3 of x holds"):
        projected_gradient(linear, x, labels, BUDGET)


def test_the_worst_of_no_attacks_is_no_accuracy(linear, pixels, labels):
    with pytest.raises(ValueError, match="no attacks"):
        worst_case([], Budget(8))
    with pytest.raises(ValueError, match="no attacks"):
        robustness_curve(linear, pixels[:2], labels[:2], [], Budget(8))
