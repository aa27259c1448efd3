"""The pass that spreads activations for int4, its inverse, and who takes nobody's word for it."""

from dataclasses import replace

import flatbuffers
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import qrobust
from tflite_export import ExportError, check_parity, export, reference, runtimes
from tflite_export.c99 import write
from tflite_export.contract import contract_problem
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    MaxPool2D,
    Tensor,
)
from tflite_export.grid import Grid
from tflite_export.passes.spread import spread, spread_tensor, unspread
from tflite_export.passes.storage import store, why_int8
from tflite_export.passes.tie_free import is_tie_free, tie_free
from tflite_export.read import read_graph
from tflite_export.spreading import SPREAD

L = keras.layers
FOUR, EIGHT = Grid.unsigned(4, 0), Grid.unsigned(8, 0)


def layer(kind, source, name, grid=FOUR, *, largest=7, shift=(3, 5), seed=0):
    rng = np.random.default_rng(seed)
    shape = (4, 3, 3, source.shape[-1]) if kind is Conv2D else (4, source.shape[-1])
    weights = rng.integers(-largest, largest + 1, shape)
    weights.flat[0] = largest
    options = {"padding": "SAME"} if kind is Conv2D else {}
    return kind(
        inputs=(source,),
        output=Tensor(name, (*source.shape[:-1], 4), grid),
        weights=weights,
        weight_exponents=grid.exponent - source.grid.exponent - rng.integers(*shift, 4),
        bias=rng.integers(-40, 40, 4),
        **options,
    )


def chain(kind, *, middle=FOUR, **options):
    """An 8-bit input, a convolution, and a layer of the kind that reads ``middle``."""
    x = Tensor("x", (5, 5, 3), Grid.pixels())
    first = layer(Conv2D, x, "first", middle, shift=(6, 9))
    second = layer(kind, first.output, "second", **options)
    return IntegerGraph("g", (x,), (second.output,), (first, second))


def storages(graph):
    return {o.output.name: o.storage for o in graph.operators if isinstance(o, Linear)}


@pytest.mark.parametrize("shift", [(3, 9), (-3, 4)])
def test_a_layer_is_packed_and_nothing_it_computes_changes(shift):
    graph = chain(Conv2D, shift=shift)
    packed, notes = store(tie_free(graph), "int4", exact=True, cost=0)
    assert not notes and storages(packed) == {"first": "int8", "second": "int4"}
    assert all(is_tie_free(o) for o in packed.operators if isinstance(o, Linear))
    q = np.random.default_rng(0).integers(-128, 128, (20, 5, 5, 3))
    (expected,) = reference.run(graph, q)
    np.testing.assert_array_equal(reference.run(packed, q)[0], expected)
    model = to_flatbuffer(packed)
    assert contract_problem(model) == ""
    for name in runtimes.RUNTIMES:
        if runtimes.missing(name, model) is None:
            (received,) = runtimes.run(name, model, [q.astype(np.int8)])
            np.testing.assert_array_equal(received, expected, name)


def test_two_layers_that_read_a_tensor_share_what_is_spread():
    graph = chain(Conv2D)
    first, second = graph.operators
    third = layer(Conv2D, first.output, "third", seed=1)
    total = Add(inputs=(second.output, third.output), output=Tensor("sum", (5, 5, 4), FOUR))
    graph = IntegerGraph("g", graph.inputs, (total.output,), (first, second, third, total))
    wide, _ = store(tie_free(graph), "int4", exact=True, cost=0)
    assert [o.output.multiple for o in wide.operators] == [1, SPREAD, 1, 1, 1]
    q = np.random.default_rng(0).integers(-128, 128, (20, 5, 5, 3))
    np.testing.assert_array_equal(reference.run(wide, q)[0], reference.run(graph, q)[0])


def test_unspread_gives_the_graph_back():
    graph = chain(Conv2D, shift=(-3, 9))
    scaled = tie_free(graph)
    again = unspread(spread(scaled, scaled.operators[1:], "int4"))
    assert [type(o) for o in again.operators] == [Conv2D, Conv2D]
    for part in ("weights", "bias", "weight_exponents"):
        ours, theirs = (getattr(g.operators[1], part) for g in (again, graph))
        np.testing.assert_array_equal(ours, theirs)


def test_what_has_no_plain_form_is_read_as_it_stands():
    graph = chain(Conv2D)
    scaled = tie_free(graph)
    first, total, second = spread(scaled, scaled.operators[1:], "int4").operators
    odd = replace(second, bias=second.bias + 1)
    foreign = IntegerGraph("g", graph.inputs, graph.outputs, (first, total, odd))
    assert unspread(foreign).operators == (first, total, odd)
    assert "ties" in contract_problem(to_flatbuffer(foreign))


def far_biased():
    first, second = chain(Conv2D).operators
    far = replace(second, bias=second.bias + 2**22)
    return IntegerGraph("g", first.inputs, (far.output,), (first, far))


def depthwise():
    (first, _) = chain(Conv2D).operators
    y = Tensor("second", first.output.shape, FOUR)
    weights = np.full((1, 3, 3, 4), 7)
    second = DepthwiseConv2D(
        inputs=(first.output,),
        output=y,
        weights=weights,
        weight_exponents=np.full(4, -5),
        bias=np.zeros(4, np.int64),
        padding="SAME",
    )
    return IntegerGraph("g", first.inputs, (y,), (first, second))


REASONS = {
    "24 bits": far_biased(),
    "depthwise": depthwise(),
    "reads 8 bits": chain(Conv2D, middle=EIGHT),
    "5-bit weights": chain(Conv2D, largest=9),
    "one scale": chain(FullyConnected, shift=(3, 9)),
    "saves": chain(Conv2D),
}


@pytest.mark.parametrize("why", REASONS)
def test_what_is_not_packed_has_a_reason(why):
    scaled = tie_free(REASONS[why])
    packed, _ = store(scaled, "int4", exact=True)
    assert storages(packed)["second"] == "int8" and packed.operators == scaled.operators
    assert why in why_int8(packed)["second"]


def test_int2_is_preferred_where_exactness_is_not_asked_for():
    scaled = tie_free(chain(FullyConnected, largest=1, shift=(4, 5)))
    for exact, kind in ((True, "int4"), (False, "int2")):
        packed, notes = store(scaled, "int2", exact=exact)
        assert storages(packed)["second"] == kind and bool(notes) != exact


def test_a_sum_of_a_model_is_no_sum_of_ours():
    """Behind x + x on half of the step, a layer in int8 is read as the layer that it was."""
    x = Tensor("x", (5, 5, 3), Grid.pixels())
    first = layer(Conv2D, x, "first", shift=(6, 9))
    total = Add(inputs=(first.output,) * 2, output=Tensor("sum", (5, 5, 4), Grid.unsigned(6, -1)))
    second = layer(Conv2D, total.output, "second", shift=(4, 7))
    graph = IntegerGraph("g", (x,), (second.output,), (first, total, second))
    read = read_graph(to_flatbuffer(tie_free(graph)))
    assert [type(o) for o in read.operators] == [Conv2D, Add, Conv2D]
    np.testing.assert_array_equal(read.operators[2].weights, second.weights)
    np.testing.assert_array_equal(read.operators[2].bias, second.bias)
    q = np.random.default_rng(0).integers(-128, 128, (20, 5, 5, 3))
    packed, _ = store(tie_free(graph), "int4", exact=True, cost=-1)
    for other in (packed, read, read_graph(to_flatbuffer(packed))):
        np.testing.assert_array_equal(reference.run(other, q)[0], reference.run(graph, q)[0])


def test_an_input_that_nothing_clips_is_not_spread():
    """A runtime takes every int8; 4 (q - z) of one off the grid is none of int8."""
    x = Tensor("x", (6, 6, 4), FOUR)
    pool = MaxPool2D(inputs=(x,), output=replace(x, name="pool"), pool=(1, 1), strides=(1, 1))
    reader = layer(Conv2D, pool.output, "reader")
    graph = tie_free(IntegerGraph("g", (x,), (reader.output,), (pool, reader)))
    assert "nothing clips" in why_int8(graph, cost=0)["reader"]
    forced = spread(graph, graph.operators[1:], "int4")
    assert "ties" in contract_problem(to_flatbuffer(forced))


@pytest.fixture(scope="module")
def residual():
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(8, 3, padding="same", activation="relu", name="stem")(x)
    z = L.Conv2D(8, 3, padding="same", activation="relu", name="a")(y)
    z = L.Conv2D(8, 3, padding="same", name="b")(z)
    y = L.ReLU(name="relu")(L.Add(name="sum")([y, z]))
    y = L.Dense(5, name="logits")(L.GlobalAveragePooling2D()(y))
    model = qrobust.quantize(keras.Model(x, y))
    return model, export(model), export(model, storage="int4")


def test_four_bit_layers_are_packed_exactly_and_the_rest_says_why(residual):
    model, plain, packed = residual
    assert packed.report.is_exact and contract_problem(packed.tflite) == ""
    kinds = storages(packed.graph)
    assert (kinds["stem"], kinds["a"], kinds["b"]) == ("int8", "int4", "int4")
    assert len(packed.tflite) < len(plain.tflite)
    assert "reads 8 bits" in packed.unpacked["stem"]
    assert "not packed: 'stem'" in str(packed.report) and "not packed" not in str(plain.report)
    inputs = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3))
    parity = check_parity(model, packed, [inputs])
    assert parity.is_exact, str(parity)


def test_both_files_read_as_the_same_layers_and_the_same_c(residual, tmp_path):
    _, plain, packed = residual
    ours, theirs = read_graph(packed.tflite), read_graph(plain.tflite)
    q = np.random.default_rng(0).integers(-128, 128, (50, 8, 8, 3))
    np.testing.assert_array_equal(reference.run(ours, q)[0], reference.run(theirs, q)[0])
    stored = read_graph(packed.tflite, as_stored=True)
    np.testing.assert_array_equal(reference.run(stored, q)[0], reference.run(theirs, q)[0])
    a, b = (
        [o for o in g.operators if isinstance(o, Linear) and o.output.name in "ab"]
        for g in (ours, theirs)
    )
    assert len(a) == 2 and len(ours.operators) == len(theirs.operators)
    for left, right in zip(a, b, strict=True):
        for part in ("weights", "bias", "weight_exponents"):
            np.testing.assert_array_equal(getattr(left, part), getattr(right, part))
    # The C comes from the lowered graph: storage makes no difference to it.
    texts = [
        [path.read_text() for path in write(e, tmp_path / e.lowered.graph.name)]
        for e in (plain, packed)
    ]
    assert texts[0] == texts[1]


def planted(tflite, change):
    model = schema.ModelT.InitFromPackedBuf(tflite, 0)
    tensors = {t.name.decode(): t for t in model.subgraphs[0].tensors}
    change(model, tensors)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def bias_by_one(model, tensors):
    buffer = model.buffers[tensors["a/bias"].buffer]
    buffer.data = (np.asarray(buffer.data).view(np.int32) + 1).view(np.uint8)


def coarser(model, tensors):
    parameters = tensors["stem_times_4"].quantization
    parameters.scale = 2 * np.asarray(parameters.scale)


def another_zero(model, tensors):
    tensors["stem_times_4"].quantization.zeroPoint = np.array([90])


def of_two(model, tensors):
    names = list(tensors)
    for operator in model.subgraphs[0].operators:
        if operator.outputs[0] == names.index("a_times_4"):
            operator.inputs = np.array([names.index("a"), names.index("stem")], np.int32)


def unclipped(model, tensors):
    for operator in model.subgraphs[0].operators:
        if operator.outputs[0] == list(tensors).index("stem"):
            operator.builtinOptions.fusedActivationFunction = 0


@pytest.mark.parametrize("change", [bias_by_one, coarser, another_zero, of_two, unclipped])
def test_a_file_that_was_tampered_with_is_off_the_contract(residual, change):
    _, _, packed = residual
    assert contract_problem(planted(packed.tflite, lambda model, tensors: None)) == ""
    assert contract_problem(planted(packed.tflite, change))


def test_a_spread_tensor_behind_what_moves_integers_is_no_spread_tensor():
    x = Tensor("x", (4, 4, 2), FOUR)
    wide = spread_tensor(x)
    pooled = replace(wide, name="pooled")
    operators = (
        Add(inputs=(x, x), output=wide),
        MaxPool2D(inputs=(wide,), output=pooled, pool=(2, 2), strides=(2, 2)),
    )
    with pytest.raises(ExportError, match="multiples of 4"):
        IntegerGraph("g", (x,), (pooled,), operators)
