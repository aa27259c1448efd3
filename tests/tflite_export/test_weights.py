"""Reading a grid off real values, against exact fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_export.grid import Grid
from tflite_export.lower.weights import integer_weights, weight_exponents

SIGNED = Grid.signed(8, -4)


@given(
    integers=st.lists(st.integers(-127, 127), min_size=1, max_size=20),
    exponent=st.integers(-30, 10),
)
def test_the_coarsest_grid_is_found(integers, exponent):
    kernel = np.array(integers, np.float64)[:, None] * 2.0**exponent
    (found,), (residual,) = weight_exponents(kernel)
    assert residual == 0
    if any(integers):
        trailing = min((i & -i).bit_length() - 1 for i in integers if i)
        assert found == exponent + trailing


def test_float32_noise_is_snapped_and_reported():
    kernel = np.array([[0.25 + 2.0**-26], [0.5]])
    found = integer_weights(
        kernel, np.zeros(1), source_exponent=-4, grid=Grid.signed(8, 2), reach=255
    )
    assert found.weights.ravel().tolist() == [1, 2]
    assert "noise" in found.problems[0]


def test_weights_off_every_grid_are_named():
    kernel = np.array([[0.5, 0.3], [0.5, 0.7]])
    found = integer_weights(
        kernel, np.zeros(2), source_exponent=0, grid=Grid.signed(8, 4), reach=255
    )
    assert "channel 1" in found.problems[0]


@given(
    acc=st.integers(-(2**12), 2**12),
    bias=st.floats(-100, 100, width=32),
    shift=st.integers(-3, 12),
)
def test_a_bias_off_the_accumulators_grid_changes_no_output(acc, bias, shift):
    """Against the exact rounding of the real sum."""
    found = integer_weights(
        np.array([[1.0]]), np.array([bias]), source_exponent=0, grid=Grid(shift, 0), reach=2**12
    )
    exponent = int(found.exponents[0])
    scaled = acc * int(found.weights[0, 0]) + int(found.bias[0])
    ours = floor(Fraction(scaled) * Fraction(2) ** (exponent - shift) + Fraction(1, 2))
    exact = floor((acc + Fraction(bias)) / Fraction(2) ** shift + Fraction(1, 2))
    assert ours == exact


@pytest.mark.parametrize(
    ("bias", "reach", "says"),
    [(np.array([0.1]), 255, "quantize it"), (np.zeros(1), 2**24, "24 bits")],
)
def test_what_float32_cannot_add_is_reported(bias, reach, says):
    found = integer_weights(
        np.array([[1.0]]), bias, source_exponent=0, grid=Grid.signed(8, 4), reach=reach
    )
    assert says in found.problems[0]


def test_a_silent_channel_keeps_its_bias():
    found = integer_weights(
        np.zeros((4, 1)), np.array([1.5]), source_exponent=-4, grid=SIGNED, reach=255
    )
    shift = SIGNED.exponent + 4 - found.exponents[0]
    assert found.bias[0] * 2.0**-shift == 1.5 / SIGNED.step
