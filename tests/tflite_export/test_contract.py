"""Which files give the same integers on every kernel."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers_by_hand import batch_mix
from random_graphs import random_graph

from tflite_export import ExportError
from tflite_export.contract import contract_problem
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.graph import Linear
from tflite_export.passes.tie_free import tie_free
from tflite_export.read import read_graph

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.ordinary(15)
@pytest.mark.parametrize(
    "path", sorted(MODELS.rglob("*.tflite")), ids=lambda p: str(p.relative_to(MODELS))
)
def test_shipped_files_meet_it(path):
    assert contract_problem(path.read_bytes()) == ""


def files(io="int8"):
    for seed in range(60):
        try:
            graph = tie_free(explicit_clips(random_graph(seed)))
            file = to_flatbuffer(graph, io=io)
        except ExportError:
            continue
        yield graph, file


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_tie_free_files_meet_it_and_others_do_not(io):
    met = 0
    for graph, file in files(io):
        linear = [o for o in graph.operators if isinstance(o, Linear)]
        tied = any(np.any((o.shift > 0) & (o.bias % 4 != 1)) for o in linear)
        assert bool(contract_problem(file)) == tied
        met += not tied
    assert met > 5


def test_files_with_ties_do_not():
    for seed in range(60):
        graph = explicit_clips(random_graph(seed))
        if not any(isinstance(o, Linear) and np.any(o.shift > 0) for o in graph.operators):
            continue
        even = tuple(
            replace(o, bias=o.bias // 2 * 2) if isinstance(o, Linear) else o
            for o in graph.operators
        )
        try:
            file = to_flatbuffer(graph.with_operators(even))
        except ExportError:
            continue
        assert "can round ties" in contract_problem(file)
        return
    raise AssertionError("no graph to test with")


def packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_anything_that_a_file_says_otherwise_shows():
    """Plant one difference after the other into files that meet the contract."""
    planted = 0
    for _, file in files():
        if contract_problem(file):
            continue
        for change in CHANGES:
            model = schema.ModelT.InitFromPackedBuf(file, 0)
            if change(model):
                planted += 1
                assert contract_problem(packed(model)), change.__name__
    assert planted > 30


def scale(model):
    model.subgraphs[0].tensors[0].quantization.scale = [0.3]
    return True


def weight_zero_point(model):
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
            parameters = model.subgraphs[0].tensors[operator.inputs[1]].quantization
            parameters.zeroPoint = np.ones_like(parameters.zeroPoint)
            return True
    return False


def bias_scale(model):
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
            parameters = model.subgraphs[0].tensors[operator.inputs[2]].quantization
            parameters.scale = np.asarray(parameters.scale) * 2
            return True
    return False


def fused_relu6(model):
    for operator in model.subgraphs[0].operators:
        found = operator.builtinOptions
        if hasattr(found, "fusedActivationFunction"):
            found.fusedActivationFunction = schema.ActivationFunctionType.RELU6
            return True
    return False


def output_zero_point(model):
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in (schema.BuiltinOperator.RESHAPE, schema.BuiltinOperator.MAX_POOL_2D):
            parameters = model.subgraphs[0].tensors[operator.outputs[0]].quantization
            parameters.zeroPoint = np.asarray(parameters.zeroPoint) + 1
            return True
    return False


def axis_of_scales(model):
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
            model.subgraphs[0].tensors[operator.inputs[1]].quantization.quantizedDimension = 7
            return True
    return False


def connected(model):
    """The operands of a FULLY_CONNECTED, and the operator."""
    for operator in model.subgraphs[0].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.FULLY_CONNECTED:
            return [model.subgraphs[0].tensors[int(i)] for i in operator.inputs], operator
    return None


def wide_bias(model):
    """XNNPACK and the reference read other numbers from the same bias as int64."""
    if (found := connected(model)) is None:
        return False
    bias = found[0][2]
    held = np.asarray(model.buffers[bias.buffer].data, np.uint8).tobytes()
    wide = schema.BufferT()
    wide.data = np.frombuffer(np.frombuffer(held, "<i4").astype("<i8").tobytes(), np.uint8)
    model.buffers.append(wide)
    bias.type, bias.buffer = schema.TensorType.INT64, len(model.buffers) - 1
    return True


def sparse_weights(model):
    """XNNPACK takes the numbers as they lie, others follow the map or refuse it."""
    if (found := connected(model)) is None:
        return False
    weights = found[0][1]
    weights.sparsity = schema.SparsityParametersT()
    weights.sparsity.traversalOrder, weights.sparsity.dimMetadata = [1, 0], []
    for size in weights.shape:
        dense = schema.DimensionMetadataT()
        dense.denseSize = int(size)
        weights.sparsity.dimMetadata.append(dense)
    return True


def second_output(model):
    if (found := connected(model)) is None:
        return False
    model.subgraphs[0].tensors.append(model.subgraphs[0].tensors[int(found[1].outputs[0])])
    found[1].outputs = [*map(int, found[1].outputs), len(model.subgraphs[0].tensors) - 1]
    return True


CHANGES = (
    *(scale, weight_zero_point, bias_scale, fused_relu6, output_zero_point, axis_of_scales),
    *(wide_bias, sparse_weights, second_output),
)


def test_a_border_of_another_shape_shows():
    """Interpreters go by the border's shape, the reader by that of the tensor behind it."""
    graph = read_graph((MODELS / "digits" / "model.tflite").read_bytes(), as_stored=True)
    model = schema.ModelT.InitFromPackedBuf(to_flatbuffer(graph, io="uint8"), 0)
    assert contract_problem(packed(model)) == ""
    border = model.subgraphs[0].tensors[int(model.subgraphs[0].inputs[0])]
    batch, height, width, channels = map(int, border.shape)
    border.shape = [batch, height // 2, 2 * width, channels]
    assert "shape" in contract_problem(packed(model))


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0TFL3" + b"\xff" * 50])
def test_no_file_is_a_problem_and_no_exception(content):
    assert contract_problem(content)


def test_what_is_no_function_of_one_input_does_not():
    assert "reduces over the batch" in contract_problem(batch_mix())
