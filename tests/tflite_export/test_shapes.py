"""Shapes that a file states and shapes that its operators give."""

from dataclasses import replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from random_graphs import random_graph

from tflite_export import reference
from tflite_export.contract import contract_problem
from tflite_export.read import read_graph
from tflite_export.shapes import shape_problem

MODEL = (Path(__file__).parents[2] / "models" / "digits" / "model.tflite").read_bytes()


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_have_the_shapes_that_the_reference_computes(seed):
    graph = random_graph(seed)
    assert shape_problem(graph) == ""
    x = [np.full((2, *t.shape), t.grid.zero_point) for t in graph.inputs]
    for array, tensor in zip(reference.run(graph, *x), graph.outputs, strict=True):
        assert array.shape[1:] == tensor.shape


@pytest.mark.parametrize("seed", range(40))
def test_another_output_shape_shows(seed):
    graph = random_graph(seed)
    for place, operator in enumerate(graph.operators):
        shape = operator.output.shape
        wrong = replace(operator.output, shape=(*shape[:-1], shape[-1] + 1))
        changed = list(graph.operators)
        changed[place] = replace(operator, output=wrong)
        broken = object.__new__(type(graph))  # the graph's own check finds some of these first
        object.__setattr__(broken, "operators", tuple(changed))
        if type(operator).__name__ != "Reshape":
            assert wrong.name in shape_problem(broken)


def padding(model):
    model.subgraphs[0].operators[2].builtinOptions.padding = schema.Padding.VALID


def dilation(model):
    model.subgraphs[0].operators[0].builtinOptions.dilationHFactor = -2


def stride(model):
    model.subgraphs[0].operators[0].builtinOptions.strideW = 0


def input_shape(model):
    model.subgraphs[0].tensors[0].shape = [1, 8, 9, 1]


@pytest.mark.parametrize("change", [padding, dilation, stride, input_shape])
def test_a_file_that_says_another_shape_is_not_portable(change):
    model = schema.ModelT.InitFromPackedBuf(MODEL, 0)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    file = bytes(builder.Output())
    assert "its operator gives" in contract_problem(file)
    assert "its operator gives" in shape_problem(read_graph(file, as_stored=True))
    assert contract_problem(MODEL) == ""
