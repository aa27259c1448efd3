"""Integers stay, real values round half up, and what is no input says why."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrobust.attacks import PixelGrid
from qrobust.certify.smoothings.grid_integers import grid_integers
from qrobust.certify.smoothings.input_grid import InputGrid

OPTIONS = {"low": 0, "high": 255, "where": "x", "hint": "or not"}


@given(value=st.floats(0, 255, width=32), exponent=st.integers(-8, 3))
def test_real_values_round_half_up(value, exponent):
    step = 2.0**exponent
    exact = Fraction(value) + Fraction(1, 2)
    x = np.array([value * step, 255 * step])
    received = grid_integers(x, step=step, **OPTIONS)
    assert received.tolist() == [min(exact.numerator // exact.denominator, 255), 255]


@given(x=st.lists(st.integers(0, 255), min_size=1))
def test_a_certifier_and_an_attack_read_an_input_alike(x):
    x = np.array(x)
    tensor = InputGrid("int8", 2.0**-8, -128).to_tensor(x, x.shape)
    integers = PixelGrid(0, 255, 2.0**-8).integers(x[None])[0]
    np.testing.assert_array_equal(tensor + 128, integers)
    np.testing.assert_array_equal(integers, x)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.array([0, 256]), "x holds 256 LSB, off the model's input grid .0, 255."),
        (np.array([0.0, np.nan]), "NaN or infinity"),
        (np.array(["a"]), "dtype <U1; give integers or floats"),
        (np.array([0.1, 0.2, 0.6]), "fall onto one or two steps .* or not"),
    ],
)
def test_what_is_no_input_says_why(x, says):
    with pytest.raises(ValueError, match=says):
        grid_integers(x, step=1.0, **OPTIONS)
