import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.input_grid import InputGrid

PIXELS = InputGrid("int8", 1.0, -128)


@pytest.mark.parametrize(
    ("grid", "low", "high"),
    [
        (PIXELS, 0, 255),
        (InputGrid("uint8", 1.0, 0), 0, 255),
        (InputGrid("int8", 0.5, 0), -128, 127),
    ],
)
def test_bounds(grid, low, high):
    assert (grid.low, grid.high, grid.span) == (low, high, 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
def test_integers_are_grid_integers(dtype):
    tensor = PIXELS.to_tensor(np.array([0, 1, 255], dtype), (3,))
    assert tensor.tolist() == [-128, -127, 127]
    assert tensor.dtype == np.int16


def test_floats_round_half_up():
    grid = InputGrid("int8", 0.5, 3)
    x = np.array([0.0, 0.24, 0.25, -0.25, -0.26, 62.0])
    assert grid.to_tensor(x, (6,)).tolist() == [3, 3, 4, 3, 2, 127]


def test_shape_is_flattened():
    x = np.arange(12).reshape(3, 2, 2)
    assert PIXELS.to_tensor(x, (3, 2, 2)).tolist() == list(range(-128, -116))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(4, np.uint8), r"image 7 has shape \(4,\); the model takes \(3,\)"),
        (np.array([0.0, np.nan, 0.0]), "image 7 holds NaN or infinity"),
        (np.array([0, np.inf, 0]), "image 7 holds NaN or infinity"),
        (np.array([0, 256, -1]), r"image 7 holds 256 LSB, off .* grid \[0, 255\] .* 2 of 3 values"),
        (np.array([0.0, 255.5, 0.0]), "holds 256 LSB, off"),
        (np.zeros(3, bool), "dtype bool; give integers or floats"),
        (np.zeros(3, complex), "dtype complex128"),
        (np.array(["a", "b", "c"]), "dtype <U1"),
        (np.array([None] * 3), "dtype object"),
        (np.array([2**63, 0, 0], np.uint64), "off the model's input grid"),
    ],
)
def test_bad_inputs(x, message):
    with pytest.raises(CertifyError, match=message):
        PIXELS.to_tensor(x, (3,), where="image 7")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("int16", 1.0, 0), "must be int8 or uint8, received int16"),
        (("int8", 0.0, 0), "positive"),
        (("int8", float("nan"), 0), "positive"),
        (("uint8", 1.0, -1), r"lies in \[0, 255\]"),
    ],
)
def test_bad_grids(arguments, message):
    with pytest.raises(CertifyError, match=message):
        InputGrid(*arguments)
