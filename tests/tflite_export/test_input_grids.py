"""Inputs in other units than the model's are refused with the argument that helps."""

import keras
import numpy as np
import pytest
import qkeras
from hypothesis import given, settings
from hypothesis import strategies as st

from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu
from tflite_export import ExportError, Grid, check_parity, export
from tflite_export.input_grids import (
    CONVENTIONS,
    described,
    inferred_grid,
    input_grid_named,
    misfit,
    remedy,
)
from tflite_export.inspection import inspect

Q = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}


def model(*first):
    layers = [
        *first,
        qkeras.QDense(5, activation=QuantizedRelu(8, 2), **Q),
        qkeras.QDense(3, activation=QuantizedBits(8, 3), **Q),
    ]
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((6,), name="x"), *layers])


UNIT = np.random.default_rng(0).uniform(0, 1, (40, 6)).astype("float32")


def test_pictures_divided_by_255_are_refused_and_the_argument_named_helps():
    with pytest.raises(ExportError, match='assumed.*Pass input_grid="unit"'):
        export(model(), inputs=UNIT)
    for chosen in ("unit", "data", {"x": "unit"}, CONVENTIONS["unit"]):
        exported = export(model(), inputs=UNIT, input_grid=chosen)
        assert exported.parity.is_exact
        assert exported.parity.same_labels >= 39
        assert "0 to 0.996094 in steps of 0.00390625 (unit)" in str(exported.report)
        assert "assumed" not in str(exported.report)


def test_the_guess_is_printed_and_inspect_shows_units():
    exported = export(model())
    assert "input 'x': 0 to 255 in steps of 1 (pixels) (assumed" in str(exported.report)
    with pytest.raises(ExportError, match="unit"):
        check_parity(model(), exported, UNIT)
    assert "-128: 0 to 255)" in str(inspect(exported.tflite))


def test_what_the_model_says_is_no_guess():
    said = export(model(qkeras.QActivation(QuantizedRelu(8, 8))))
    assert "assumed" not in str(said.report)
    with pytest.raises(ExportError, match="its own"):
        export(model(qkeras.QActivation(QuantizedRelu(8, 8))), inputs=UNIT)


def test_accuracy_is_counted_on_the_inputs_as_they_are():
    m = model()
    labels = m.predict(UNIT, verbose=0).argmax(1)
    exported = export(m, input_grid="unit")
    parity = check_parity(m, exported.tflite, UNIT, y=labels, on=[])
    assert parity.right_labels == (parity.same_labels, 40)
    assert "accuracy" in str(parity)


@pytest.mark.parametrize("y", [np.zeros(3), np.zeros((40, 3))[:7]])
def test_labels_must_fit(y):
    with pytest.raises(ValueError, match="labels for 40 inputs"):
        check_parity(model(), export(model(), input_grid="unit"), UNIT, y=y, on=[])


def test_unknown_names_are_echoed():
    for wrong in ("imagenet", "data"):
        with pytest.raises(ValueError, match=f"Received: '{wrong}'"):
            input_grid_named(wrong)
    with pytest.raises(ValueError, match="input_grid names"):
        export(model(), input_grid={"y": "unit"})


@settings(max_examples=60, deadline=None)
@given(
    exponent=st.integers(-40, 20),
    off=st.integers(6, 20),
    signed=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_data_far_below_a_grid_are_noticed_at_any_power_of_two(exponent, off, signed, seed):
    grid = Grid.signed(8, exponent) if signed else Grid.unsigned(8, exponent)
    rng = np.random.default_rng(seed)
    meant = rng.uniform(grid.low, grid.high, 500)
    assert misfit(meant, grid) is None
    assert "different integers" in misfit(meant * 2.0**-off, grid)
    # Whole steps are meant, however few.
    assert misfit(rng.integers(0, 2, 500) * grid.step, grid) is None


@settings(max_examples=60, deadline=None)
@given(low=st.floats(-1e4, 1e4), width=st.floats(1e-4, 1e4), seed=st.integers(0, 2**16))
def test_a_grid_taken_from_data_holds_them(low, width, seed):
    data = np.random.default_rng(seed).uniform(low, low + width, 300)
    data = np.append(data, 0.0)  # a grid holds zero, so data far from it are coarse
    grid = inferred_grid(data)
    assert np.abs(grid.dequantize(grid.quantize(data)) - data).max() <= grid.step * 1.01
    assert described(grid)


@settings(max_examples=60, deadline=None)
@given(
    middle=st.floats(-1e6, 1e6),
    power=st.integers(-30, 10),
    whole=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_the_argument_that_a_refusal_names_helps_or_none_is_named(middle, power, whole, seed):
    """Also where a convention holds the data and leaves nothing of them, and far from zero."""
    data = middle * 2.0**power + np.random.default_rng(seed).normal(0, 1, 300) * 2.0**power
    data = np.round(data) if whole and power > 2 else data
    for grid in (Grid(0, -128, assumed=True), Grid.pixels(), CONVENTIONS["unit"]):
        if misfit(data, grid) is None:
            continue
        said = remedy(data)
        if said.startswith("Pass"):
            named = said.split('"')[1]
            assert misfit(data, input_grid_named(named, data)) is None
        else:
            assert misfit(data, inferred_grid(data)) is not None


@pytest.mark.parametrize("data", [1000 + 20 * UNIT, np.round(1000 + 3 * UNIT), 0.5 + UNIT / 50])
def test_an_offset_that_takes_all_steps_of_a_grid_is_said(data):
    with pytest.raises(ExportError, match="different integers on the grid.*Subtract about"):
        export(model(), inputs=data, input_grid="data")
    # One flat picture is none of those.
    assert misfit(np.full((1, 6), 127.3), Grid.pixels()) is None


@pytest.mark.parametrize("grid", ["unit", "signed", "pixels"])
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 0.95))
def test_a_stated_grid_that_clips_most_of_the_data_is_of_other_units(grid, seed, zeros):
    rng = np.random.default_rng(seed)
    stated = input_grid_named(grid)
    far = rng.uniform(1.5 * stated.high, 300 * stated.high, 500)
    far[rng.random(500) < zeros] = 0
    assert misfit(far, stated) is not None
    inside = rng.uniform(stated.low, stated.high, 500)
    clipped = np.where(rng.random(500) < 0.3, far, inside)  # a grid may clip some
    assert misfit(clipped, stated) is None
