"""Files that were called portable and are not, or that ended in a traceback."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers_by_hand import Graph, options

from qrobust.certify import Certifier
from tflite_export.contract import contract_problem

from ..tiny_models import linear


def packed(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_bias_left_out_is_not_the_last_tensor(weights):
    """Input -1 means none to a kernel; to Python it is the last tensor, here an odd bias."""
    model = schema.ModelT.InitFromPackedBuf(linear(weights, output_shift=3), 0)
    graph = model.subgraphs[0]
    operator = graph.operators[0]
    graph.tensors.append(graph.tensors[int(operator.inputs[2])])
    operator.inputs = [*map(int, operator.inputs[:2]), -1]
    assert contract_problem(packed(model))


def test_a_foreign_addition_of_a_constant_is_certified():
    graph = Graph()
    x = graph.tensor((1, 4))
    y = graph.tensor((1, 4))
    graph.op("ADD", (x, graph.constant(np.zeros((1, 4), np.int8))), (y,), options("Add"))
    with Certifier(graph.file((x,), (y,)), sigma=3, classes=4, threads=1) as certifier:
        assert certifier.file.not_portable


def test_options_of_another_operator_are_another_meaning():
    """Kernels read no SubOptions of an ADD, so its RELU is none; the reader took it for one."""
    graph = Graph()
    x = graph.tensor((1, 4))
    y = graph.tensor((1, 4))
    relu = schema.ActivationFunctionType.RELU
    graph.op("ADD", (x, x), (y,), options("Sub", fusedActivationFunction=relu))
    assert contract_problem(graph.file((x,), (y,)))


def test_no_zero_points_are_a_problem_and_no_traceback():
    graph = Graph()
    x = graph.tensor((1, 4))
    y = graph.dense(x, 4 * np.eye(4, dtype=np.int8))
    graph.tensors[graph.operators[0].inputs[1]].quantization.zeroPoint = None
    assert contract_problem(graph.file((x,), (y,)))
