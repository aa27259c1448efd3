"""Every layer family, bit for bit on every runtime."""

import keras
import numpy as np
import pytest
import qkeras

from qrobust.quantizers import (
    FixedPoint,
    PowerOfTwoWeights,
    QuantizedBits,
    QuantizedRelu,
    Ternary,
)
from tflite_export import ExportError, Grid, check_parity, export

L = keras.layers
Q = {"kernel_quantizer": PowerOfTwoWeights(4), "bias_quantizer": FixedPoint()}
T = {"kernel_quantizer": Ternary(), "bias_quantizer": FixedPoint()}
SEPARABLE = {
    "depthwise_quantizer": Ternary((-2, -1)),
    "pointwise_quantizer": PowerOfTwoWeights(3),
    "bias_quantizer": FixedPoint(),
}
STOCK = {
    "kernel_quantizer": qkeras.quantized_bits(4, 0, 1, alpha=1),
    "bias_quantizer": qkeras.quantized_bits(8, 2, 1, alpha=1),
}


def wide(integer=3):
    return qkeras.QActivation(QuantizedBits(8, integer))


def relu(bits=4, integer=1):
    return qkeras.QActivation(QuantizedRelu(bits, integer))


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        if "variance" in kind:
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        elif variable.dtype == "float32":
            variable.assign(rng.normal(0, 0.4, variable.shape))
    return model


def sequence(shape, *layers):
    return randomized(keras.Sequential([keras.Input(shape), L.Rescaling(1 / 256), *layers]))


def random_inputs(model, count=100):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (count, *tensor.shape[1:])) for tensor in model.inputs]


def assert_exact(model, **options):
    exported = export(model, **options)
    parity = check_parity(model, exported, random_inputs(model))
    assert parity.is_exact, str(parity)
    return exported


def dyadic_conv1d(**options):
    """Keras's own Conv1D; its weights are put on a grid after building."""
    return L.Conv1D(4, 3, activation=QuantizedRelu(4, 1), name="conv1d", **options)


FAMILIES = {
    "1-D convolutions and pooling": lambda: sequence(
        (20, 3),
        qkeras.QConv1D(4, 3, padding="same", **Q),
        relu(),
        L.MaxPooling1D(),
        L.ZeroPadding1D(1),
        qkeras.QConv1D(4, 3, strides=2, **Q),
        relu(),
        L.AveragePooling1D(2),
        relu(8),
        L.Flatten(),
        qkeras.QDense(3, **Q),
        wide(),
    ),
    "global 1-D pooling": lambda: sequence(
        (16, 3),
        qkeras.QSeparableConv1D(4, 3, padding="same", **SEPARABLE),
        relu(),
        L.GlobalMaxPooling1D(),
        qkeras.QDense(3, **Q),
        wide(),
    ),
    "global 1-D average": lambda: sequence(
        (16, 3), qkeras.QConv1D(4, 1, **Q), relu(), L.GlobalAveragePooling1D(), wide()
    ),
    "separable convolution": lambda: sequence(
        (8, 8, 3),
        qkeras.QSeparableConv2D(4, 3, padding="same", strides=2, **SEPARABLE),
        relu(),
        L.Flatten(),
        qkeras.QDense(3, **Q),
        wide(),
    ),
    "QKeras averages": lambda: sequence(
        (8, 8, 3),
        qkeras.QConv2D(4, 3, **Q),
        relu(),
        qkeras.QAveragePooling2D(
            (3, 3),
            average_quantizer=qkeras.quantized_bits(6, -2, 1, alpha=1),
            activation=QuantizedRelu(8, 1),
        ),
        qkeras.QGlobalAveragePooling2D(
            average_quantizer=qkeras.quantized_bits(6, -1, 1, alpha=1),
            activation=QuantizedRelu(8, 1),
        ),
    ),
    "QKeras folded batch norm": lambda: sequence(
        (8, 8, 3),
        qkeras.QConv2DBatchnorm(4, 3, axis=3, **STOCK),
        relu(),
        qkeras.QDepthwiseConv2DBatchnorm(
            3,
            axis=3,
            depthwise_quantizer=qkeras.quantized_bits(4, 0, 1, alpha=1),
            bias_quantizer=FixedPoint(),
        ),
        relu(),
        L.Flatten(),
        qkeras.QDenseBatchnorm(3, axis=1, **STOCK),
        wide(),
    ),
    "stock weight quantizers": lambda: sequence(
        (8, 8, 3),
        qkeras.QConv2D(
            4,
            3,
            kernel_quantizer=qkeras.quantized_bits(4, 0, 1, alpha="auto_po2"),
            bias_quantizer=FixedPoint(),
        ),
        relu(),
        qkeras.QConv2D(
            4,
            3,
            kernel_quantizer=qkeras.stochastic_ternary(alpha="auto_po2"),
            bias_quantizer=FixedPoint(),
        ),
        relu(),
        L.Flatten(),
        qkeras.QDense(
            3, kernel_quantizer=qkeras.binary(alpha=1), bias_quantizer=STOCK["bias_quantizer"]
        ),
        wide(),
        qkeras.QDense(
            3,
            kernel_quantizer=qkeras.quantized_linear(4, 0, 1, alpha=1.0),
            bias_quantizer=FixedPoint(),
        ),
        wide(5),
    ),
    "rounding onto another grid": lambda: sequence(
        (6,),
        qkeras.QDense(5, activation=QuantizedBits(8, 2), **Q),
        qkeras.QActivation(QuantizedBits(4, 2)),
        qkeras.QActivation(QuantizedBits(3, 1)),
        qkeras.QDense(3, **Q),
        wide(),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_family(family):
    assert_exact(FAMILIES[family]())


def test_causal_convolution():
    model = sequence((20, 2), dyadic_conv1d(padding="causal", dilation_rate=2))
    layer = model.get_layer("conv1d")
    rng = np.random.default_rng(0)
    layer.kernel.assign(rng.integers(-7, 8, layer.kernel.shape) / 8)
    layer.bias.assign(rng.integers(-7, 8, layer.bias.shape) / 8)
    assert_exact(model)


def test_branches_movers_and_several_outputs():
    inputs = keras.Input((8, 8, 3))
    x = L.Rescaling(1 / 256)(inputs)
    a = relu(3, 2)(qkeras.QConv2D(4, 3, padding="same", **Q)(x))
    b = qkeras.QActivation(QuantizedBits(6, 2))(qkeras.QConv2D(4, 3, padding="same", **Q)(x))
    c = qkeras.QConv2D(2, 3, padding="same", **Q)(x)
    joined = relu()(qkeras.QConv2D(4, 1, **Q)(L.Concatenate()([a, b])))
    moved = relu(5, 1)(L.Concatenate()([c, L.UpSampling2D()(L.MaxPooling2D()(a))]))
    moved = L.Permute((2, 1, 3))(L.Cropping2D(((1, 0), (2, 1)))(moved))
    outputs = [
        wide()(qkeras.QDense(3, **Q)(L.Flatten()(joined))),
        wide()(qkeras.QDense(2, **Q)(L.Flatten()(moved))),
    ]
    assert_exact(randomized(keras.Model(inputs, outputs)))


def test_several_inputs_on_different_scales():
    u, v = keras.Input((6,), name="u"), keras.Input((4,), name="v")
    a = qkeras.QDense(5, **Q)(L.Rescaling(1 / 256)(u))
    b = qkeras.QDense(3, **Q)(L.Rescaling(1 / 128)(v))
    y = qkeras.QDense(3, **Q)(wide()(L.Concatenate()([a, b])))
    assert_exact(randomized(keras.Model([u, v], wide(4)(y))))


def test_rescaled_branches_meet():
    inputs = keras.Input((6,))
    a, b = L.Rescaling(1 / 256)(inputs), L.Rescaling(1 / 128)(inputs)
    y = qkeras.QDense(3, **Q)(relu(6, 1)(L.Concatenate()([relu(8, 0)(a), relu(8, 1)(b)])))
    assert_exact(randomized(keras.Model(inputs, wide()(y))))


def test_branches_that_no_8_bits_hold_together_are_refused():
    inputs = keras.Input((6,))
    a, b = (qkeras.QDense(3, activation=QuantizedBits(8, i), **Q)(inputs) for i in (0, 4))
    y = qkeras.QDense(3, **Q)(L.Concatenate(name="join")([a, b]))
    with pytest.raises(ExportError, match="reads 'join', whose output no quantizer rounds"):
        export(randomized(keras.Model(inputs, wide()(y))))


def test_shared_layers_and_a_sum_of_three():
    inputs = keras.Input((6,))
    layer = qkeras.QDense(6, activation=QuantizedBits(4, 1), **Q)
    x = layer(L.Rescaling(1 / 256)(inputs))
    y = layer(x)
    assert_exact(randomized(keras.Model(inputs, relu(6, 3)(L.Add()([x, y, layer(y)])))))


# --- Storage, input and output ----------------------------------------------------------------


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
    from tflite_export.inspection import inspect

    inspection = inspect(exported.tflite)
    assert inspection.inputs[0].kind == inspection.outputs[0].kind == "UINT8"
    assert inspection.inputs[0].zero_point == 0


# --- What is not exact ------------------------------------------------------------------------


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
    from tflite_export import reference
    from tflite_export.parity import keras_integers

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
    import re

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
