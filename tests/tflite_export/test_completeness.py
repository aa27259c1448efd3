"""Whoever adds an operator learns here what else has to know it; and what a missing entry says."""

import gc

import numpy as np
import pytest
from c_compiler import Models
from random_graphs import random_graph

from tflite_export import read_graph, reference, runtimes
from tflite_export.contract import contract_problem
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.codes import CODES, KINDS, is_linear
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    ResizeNearest,
    Table,
    Tensor,
    Transpose,
)
from tflite_export.grid import Grid
from tflite_export.inspection import inspect
from tflite_export.passes import run as run_passes
from tflite_export.report import Report
from tflite_export.row_wise import check_row_wise

GRID = Grid.signed(4, 0)
X = Tensor("x", (4, 5, 2), GRID)


def weighted(kind: type[Linear], shape: tuple[int, ...], output: tuple[int, ...]) -> Linear:
    """Weights of -1, 0 and 1, which every storage holds, and a shift that rounds."""
    weights = np.arange(np.prod(shape)).reshape(shape) % 3 - 1
    channels = shape[kind.channel_axis]
    return kind(
        inputs=(X,),
        output=Tensor("y", output, Grid.signed(8, 2)),
        weights=weights,
        weight_exponents=np.zeros(channels, np.int64),
        bias=np.arange(channels, dtype=np.int64),
    )


def moved(shape: tuple[int, ...], grid: Grid = GRID) -> Tensor:
    return Tensor("y", shape, grid)


EXAMPLES: dict[type[Operator], Operator] = {
    Add: Add(inputs=(X, X), output=moved((4, 5, 2), Grid.signed(5, 0))),
    Concatenate: Concatenate(inputs=(X, X), output=moved((4, 5, 4)), axis=2),
    Conv2D: weighted(Conv2D, (3, 2, 2, 2), (3, 4, 3)),
    Crop: Crop(inputs=(X,), output=moved((2, 4, 2)), crops=((1, 1), (0, 1), (0, 0))),
    DepthwiseConv2D: weighted(DepthwiseConv2D, (1, 2, 2, 2), (3, 4, 2)),
    FullyConnected: weighted(FullyConnected, (3, 2), (4, 5, 3)),
    MaxPool2D: MaxPool2D(inputs=(X,), output=moved((3, 4, 2)), pool=(2, 2), strides=(1, 1)),
    Maximum: Maximum(
        inputs=(X,),
        output=moved((4, 5, 2), Grid(0, GRID.zero_point, GRID.zero_point)),
        bound=GRID.zero_point,
    ),
    Pad: Pad(inputs=(X,), output=moved((5, 7, 2)), paddings=((1, 0), (1, 1), (0, 0))),
    Reshape: Reshape(inputs=(X,), output=moved((5, 8))),
    ResizeNearest: ResizeNearest(inputs=(X,), output=moved((8, 15, 2)), factors=(2, 3)),
    Table: Table(
        inputs=(X,),
        output=moved((4, 5, 2), Grid.signed(7, -1)),
        entries=np.stack([np.arange(256) * 7 % 120, 100 - np.arange(256) % 90]),
    ),
    Transpose: Transpose(inputs=(X,), output=moved((2, 4, 5)), axes=(2, 0, 1)),
}


def operators(base: type[Operator] = Operator) -> set[type[Operator]]:
    """The kinds that a graph may hold: the leaves of the class tree, of this package only."""
    below = {kind for kind in base.__subclasses__() if kind.__module__ == Operator.__module__}
    return set().union(*map(operators, below)) if below else {base}


KINDS_OF_OPERATORS = sorted(operators(), key=lambda kind: kind.__name__)
each_kind = pytest.mark.parametrize("kind", KINDS_OF_OPERATORS, ids=lambda kind: kind.__name__)


def graph_of(kind: type[Operator]) -> IntegerGraph:
    operator = EXAMPLES[kind]
    return IntegerGraph(kind.__name__, (X,), (operator.output,), (operator,))


def prepared(kind: type[Operator], storage: str = "int8") -> IntegerGraph:
    graph, notes = run_passes(graph_of(kind), storage=storage)
    assert notes == ()
    return explicit_clips(graph)


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(GRID.minimum, GRID.maximum + 1, (6, *X.shape))


def expected(kind: type[Operator]) -> np.ndarray:
    return reference.run(graph_of(kind), pictures())[0]


def test_every_operator_has_an_example_and_a_place_in_the_format():
    assert set(EXAMPLES) == set(CODES) == operators()


def test_a_kind_without_an_example_would_be_noticed():
    new = type("New", (Linear,), {"__module__": Operator.__module__})
    assert operators() - set(EXAMPLES) == {new}
    del new
    gc.collect()  # a class is part of a circle; the other tests must not meet it
    assert operators() == set(EXAMPLES)


def test_the_format_has_one_code_for_each():
    assert {KINDS[code] for code in CODES.values()} == operators()
    assert {KINDS[code] for code in KINDS if is_linear(code)} == operators(Linear)


@each_kind
def test_the_reference_computes_it(kind):
    assert expected(kind).shape == (6, *EXAMPLES[kind].output.shape)


@each_kind
@pytest.mark.parametrize("storage", ["int8", "int4", "int2"])
def test_the_passes_keep_its_integers(kind, storage):
    graph = prepared(kind, storage)
    np.testing.assert_array_equal(reference.run(graph, pictures())[0], expected(kind))


@pytest.mark.ordinary(26)
@each_kind
@pytest.mark.parametrize("runtime", runtimes.RUNTIMES)
def test_every_runtime_loads_the_file_and_agrees(kind, runtime):
    file = to_flatbuffer(prepared(kind))
    if why := runtimes.missing(runtime, file):
        pytest.skip(why)
    (received,) = runtimes.run(runtime, file, [pictures().astype(np.int8)])
    np.testing.assert_array_equal(received, expected(kind))


@each_kind
def test_the_file_is_read_back(kind):
    graph = read_graph(to_flatbuffer(prepared(kind)))
    assert kind in {type(operator) for operator in graph.operators}
    received = reference.run(graph, pictures())[0]
    np.testing.assert_array_equal(received, expected(kind))


@each_kind
def test_the_file_meets_the_contract(kind):
    file = to_flatbuffer(prepared(kind))
    assert contract_problem(file) == ""
    assert check_row_wise(file) is None


@each_kind
def test_the_inspection_counts_its_products(kind):
    graph = prepared(kind)
    found = inspect(to_flatbuffer(graph))
    assert sum(o.macs for o in found.operators) == sum(o.macs for o in graph.operators)
    assert (sum(o.macs for o in found.operators) > 0) == issubclass(kind, Linear)


@each_kind
def test_the_report_has_a_row(kind):
    report = Report.of(prepared(kind), notes=(), file_bytes=0)
    assert kind.__name__ in str(report)
    assert {row.storage is not None for row in report.rows if row.kind == kind.__name__} == {
        issubclass(kind, Linear)
    }


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    graphs = [graph_of(kind) for kind in KINDS_OF_OPERATORS]
    return Models(graphs, tmp_path_factory.mktemp("c99"))


@pytest.mark.ordinary(7)
@each_kind
def test_the_c_computes_it(kind, compiled):
    (received,) = compiled.run(KINDS_OF_OPERATORS.index(kind), [pictures()])
    np.testing.assert_array_equal(received, expected(kind))


def test_random_graphs_draw_every_kind():
    """They carry the burden of proof; a kind they never draw would be tested here only."""
    drawn = {type(operator) for seed in range(60) for operator in random_graph(seed).operators}
    assert drawn == operators()
