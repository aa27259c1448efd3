"""What an export's options do: storage, input and output, and what is not exact."""

import re

import numpy as np
import pytest
import qkeras
from exact_models import STOCK, L, Q, T, assert_exact, random_inputs, sequence, wide

from qrobust.quantizers import QuantizedBits, QuantizedRelu
from tflite_export import ExportError, Grid, check_parity, export, reference
from tflite_export.inspection import inspect
from tflite_export.parity import keras_integers


def two_layers(quantizers):
    return sequence(
        (8, 8, 2),
        qkeras.QConv2D(4, 3, activation=QuantizedRelu(4, 1), **quantizers),
        L.Flatten(),
        qkeras.QDense(3, **quantizers),
        wide(),
    )


def test_ternary_weights_are_exact_in_int4():
    plain, packed = export(two_layers(T)), assert_exact(two_layers(T), storage="int4")
    assert [row.storage for row in packed.report.rows if row.storage][0] == "int4"
    assert len(packed.tflite) < len(plain.tflite)


def test_int4_of_four_bits_is_an_inexact_export_and_says_so():
    model = two_layers(Q)
    assert {row.storage for row in export(model, storage="int4").report.rows} <= {"int8", None}
    packed = export(model, storage="int4", exact=False, inputs=random_inputs(model))
    assert "packed into int4" in packed.report.notes[0]
    assert packed.parity.differing["Keras predict"] == 0
    assert "int4" in str(packed.report)


def test_int2_runs_on_litert_and_is_skipped_visibly_on_tflm():
    model = sequence((6,), qkeras.QDense(4, activation=QuantizedBits(8, 1), **T))
    packed = export(model, storage="int2", exact=False)
    parity = check_parity(model, packed, random_inputs(model))
    if [row.storage for row in packed.report.rows] == ["int2"]:
        assert "int2" in parity.skipped["TFLM"]
    assert parity.differing["Keras predict"] == 0


def test_uint8_inputs_and_outputs():
    exported = assert_exact(two_layers(Q), io="uint8")
    inspection = inspect(exported.tflite)
    assert inspection.inputs[0].kind == inspection.outputs[0].kind == "UINT8"
    assert inspection.inputs[0].zero_point == 0


def test_a_float_model_exports_when_asked_and_the_report_counts():
    model = sequence(
        (8, 8, 2),
        L.Conv2D(4, 3),
        L.BatchNormalization(),
        L.ReLU(),
        L.Flatten(),
        L.Dense(3, activation="softmax"),
    )
    inputs = random_inputs(model)
    exported = export(model, exact=False, inputs=inputs)
    notes = " ".join(exported.report.notes)
    assert "batch_normalization" in notes and "no quantizer rounds" in notes
    assert exported.parity.differing["LiteRT XNNPACK"] == 0
    assert 0 < exported.parity.differing["Keras predict"] < exported.parity.integers
    # 8-bit post-training quantization: the decisions stay.
    grids = exported.lowered.input_grids
    stored = [grid.quantize(x) for grid, x in zip(grids, inputs, strict=True)]
    ours = reference.run(exported.lowered.graph, *stored)[0].argmax(-1)
    theirs = keras_integers(model, exported.lowered, stored)[0].argmax(-1)
    assert np.mean(ours == theirs) > 0.9


def test_half_even_activations_differ_on_ties_only_and_never_between_runtimes():
    model = sequence(
        (8, 8, 2),
        qkeras.QConv2D(4, 3, activation="quantized_relu(4,1)", **STOCK),
        L.Flatten(),
        qkeras.QDense(3, **STOCK),
        wide(),
    )
    exported = export(model, exact=False, inputs=random_inputs(model))
    differing = dict(exported.parity.differing)
    differing.pop("Keras predict")
    assert set(differing.values()) == {0}
    assert "halves to even" in exported.report.notes[0]


def test_an_output_without_a_quantizer_takes_the_grid_given():
    model = sequence((6,), qkeras.QDense(3, **Q))
    with pytest.raises(ExportError, match="no quantizer rounds"):
        export(model)
    exported = assert_exact(model, output_grid=Grid.signed(8, -3))
    assert exported.lowered.output_grids == (Grid.signed(8, -3),)


@pytest.mark.parametrize(
    ("option", "value"), [("storage", "int3"), ("io", "float"), ("rounding", "up")]
)
def test_unknown_choices_are_echoed(option, value):
    with pytest.raises(ValueError, match=f"Received: '{value}'"):
        export(two_layers(Q), **{option: value})


def test_the_arena_is_tflms(capfd):
    """The planned activations against what TFLM itself allocates for them."""
    runtime = pytest.importorskip("tflite_micro").runtime
    exported = export(two_layers(Q))
    interpreter = runtime.Interpreter.from_bytes(exported.tflite, arena_size=200_000)
    interpreter.print_allocations()
    printed = capfd.readouterr()
    head = re.search(r"Arena allocation head (\d+) bytes", printed.out + printed.err)
    assert head, printed
    # TFLM's head also holds kernels' scratch buffers.
    planned = exported.report.activation_bytes
    assert planned <= int(head[1]) <= planned + 4096
