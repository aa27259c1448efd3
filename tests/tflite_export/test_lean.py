"""The pass that lets sums lean, and the reader that takes nobody's word for it."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import qrobust
from tflite_export import ExportError, export, reference
from tflite_export.clients import foreign_clients
from tflite_export.contract import contract_problem
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.graph import Add, IntegerGraph, MaxPool2D, Tensor
from tflite_export.grid import Grid
from tflite_export.passes.lean import lean
from tflite_export.read import read_graph

L = keras.layers
COARSE, FINE = Grid.unsigned(4, 0), Grid.signed(8, -3)


def tensor(name, grid=COARSE):
    return Tensor(name, (4, 4, 2), grid)


def summed(a, b, name, grid=COARSE):
    return Add(inputs=(a, b), output=tensor(name, grid))


def graph_of(inputs, *operators):
    return IntegerGraph("g", inputs, (operators[-1].output,), operators)


def leans(graph):
    return {t.name: t.lean for t in lean(graph).tensors if t.lean}


def test_the_nth_sum_of_a_path_leans_by_n():
    x, y = tensor("x", FINE), tensor("y", FINE)
    first = summed(x, y, "first")
    pool = MaxPool2D(inputs=(first.output,), output=tensor("pool"), pool=(1, 1), strides=(1, 1))
    third = summed(pool.output, first.output, "lossless")  # rounds nothing
    assert leans(graph_of((x, y), first, pool, third)) == {"first": 1, "pool": 1, "lossless": 1}


def test_a_sum_across_another_keeps_both_from_leaning():
    x, y = tensor("x", FINE), tensor("y", FINE)
    first = summed(x, y, "first")
    across = summed(first.output, x, "across")
    graph = graph_of((x, y), first, across)
    assert leans(graph) == {"across": 1}  # its operands must lean alike
    reasons = foreign_clients(lean(graph))
    assert "'first'" in reasons["ONNX Runtime, tract, TVM"] and not reasons["IREE, TOSA"]


def test_a_lean_that_no_sum_accounts_for_is_refused():
    x, y = tensor("x", FINE), tensor("y", FINE)
    for output in (replace(tensor("s"), lean=2), replace(tensor("s", Grid.signed(8, 0)), lean=1)):
        with pytest.raises(ExportError, match="only a sum that rounds leans by one more"):
            graph_of((x, y), Add(inputs=(x, y), output=output))


@pytest.fixture(scope="module")
def residual():
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x)
    for number in range(2):
        z = L.Conv2D(4, 3, padding="same", activation="relu", name=f"a{number}")(y)
        z = L.Conv2D(4, 3, padding="same", name=f"b{number}")(z)
        y = L.ReLU(name=f"relu{number}")(L.Add(name=f"sum{number}")([y, z]))
    y = L.Dense(5, name="logits")(L.GlobalAveragePooling2D()(y))
    model = qrobust.quantize(keras.Model(x, y))
    return model, export(model)


def test_an_export_leans_and_is_read_back(residual):
    _, exported = residual
    assert {t.lean for t in exported.graph.tensors} == {0, 1, 2}
    assert contract_problem(exported.tflite) == ""
    read = read_graph(exported.tflite)
    q = np.random.default_rng(0).integers(-128, 128, (50, 8, 8, 3))
    (expected,) = reference.run(exported.lowered.graph, q)
    np.testing.assert_array_equal(reference.run(read, q)[0], expected)
    assert not foreign_clients(read)["ONNX Runtime, tract, TVM"]
    assert "ONNX Runtime" in str(exported.report)


def packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_any_scale_on_the_path_that_is_written_otherwise_shows(residual):
    _, exported = residual
    names = [
        t.name for t in schema.ModelT.InitFromPackedBuf(exported.tflite, 0).subgraphs[0].tensors
    ]
    planted = 0
    for index, name in enumerate(names):
        model = schema.ModelT.InitFromPackedBuf(exported.tflite, 0)
        parameters = model.subgraphs[0].tensors[index].quantization
        if parameters is None or parameters.scale is None:
            continue
        factor = (1 - 2**-13, 1 + 2**-13, 1 - 2**-12, 1 + 2**-20)[index % 4]
        parameters.scale = (np.asarray(parameters.scale, np.float32) * factor).astype(np.float32)
        planted += 1
        assert contract_problem(packed(model)), (name, factor)
    assert planted > 25


def test_a_file_that_does_not_lean_still_meets_the_contract(residual):
    _, exported = residual
    inputs = {t: t for t in exported.graph.inputs}
    plain = {t: inputs.get(t, replace(t, lean=0)) for t in exported.graph.tensors}
    operators = tuple(
        replace(o, inputs=tuple(plain[t] for t in o.inputs), output=plain[o.output])
        for o in exported.graph.operators
    )
    outputs = tuple(plain[t] for t in exported.graph.outputs)
    file = to_flatbuffer(replace(exported.graph, operators=operators, outputs=outputs))
    assert contract_problem(file) == ""
    reasons = foreign_clients(read_graph(file))
    assert "to even" in reasons["ONNX Runtime, tract, TVM"]


@pytest.mark.parametrize(
    "lie",
    [
        lambda said: said["inputs"][0].update(exponent=3),
        lambda said: said["inputs"][0].update(zero_point=0),
        lambda said: said["outputs"][0].update(zero_point=7),
        lambda said: said["inputs"].append(said["inputs"][0]),
        lambda said: said.pop("outputs"),
        lambda said: said.update(inputs=3),
    ],
)
def test_metadata_that_lie_are_off_the_contract(residual, lie):
    _, exported = residual
    model = schema.ModelT.InitFromPackedBuf(exported.tflite, 0)
    (entry,) = model.metadata
    said = json.loads(bytes(model.buffers[entry.buffer].data))
    lie(said)
    model.buffers[entry.buffer].data = np.frombuffer(json.dumps(said).encode(), np.uint8)
    assert "metadata" in contract_problem(packed(model))
    model.buffers[entry.buffer].data = np.frombuffer(b"[" * 100_000, np.uint8)
    assert "metadata" in contract_problem(packed(model))


def test_every_sum_in_onnx_runtime():
    """All pairs of integers, by ONNX Runtime's own kernels, leaning and not."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    q = np.arange(-128, 128)
    pairs = np.repeat(q, 256)[None], np.tile(q, 256)[None]
    differing = {}
    for more in (0, 1):
        x, y = Tensor("x", (65536,), FINE), Tensor("y", (65536,), Grid.signed(8, -1))
        output = Tensor("s", (65536,), COARSE, more)
        graph = IntegerGraph("g", (x, y), (output,), (Add(inputs=(x, y), output=output),))
        session = runtime.InferenceSession(onnx_sum(onnx, graph))
        feed = {t.name: v.astype(np.int8) for t, v in zip((x, y), pairs, strict=True)}
        (expected,) = reference.run(graph, *pairs)
        differing[more] = np.count_nonzero(session.run(None, feed)[0] != expected)
    assert differing[1] == 0 < differing[0]


def onnx_sum(onnx, graph):
    """DequantizeLinear, Add, Relu, QuantizeLinear, as converters write a TFLite ADD."""
    helper, kind = onnx.helper, onnx.TensorProto
    nodes, constants = [], []
    for t in graph.tensors:
        constants.append(helper.make_tensor(f"{t.name}/scale", kind.FLOAT, [], [t.scale]))
        constants.append(helper.make_tensor(f"{t.name}/zero", kind.INT8, [], [t.grid.zero_point]))
    for t in graph.inputs:
        names = [t.name, f"{t.name}/scale", f"{t.name}/zero"]
        nodes.append(helper.make_node("DequantizeLinear", names, [f"{t.name}/real"]))
    reals = [f"{t.name}/real" for t in graph.inputs]
    nodes.append(helper.make_node("Add", reals, ["sum"]))
    nodes.append(helper.make_node("Relu", ["sum"], ["clipped"]))
    (out,) = graph.outputs
    names = ["clipped", f"{out.name}/scale", f"{out.name}/zero"]
    nodes.append(helper.make_node("QuantizeLinear", names, [out.name]))
    ends = [
        [helper.make_tensor_value_info(t.name, kind.INT8, [1, *t.shape]) for t in tensors]
        for tensors in (graph.inputs, graph.outputs)
    ]
    made = helper.make_graph(nodes, "g", *ends, constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(made, opset_imports=opset, ir_version=8).SerializeToString()
