from dataclasses import dataclass

import numpy as np
import pytest
from c_compiler import Models
from random_graphs import random_graph, random_inputs

from tflite_export import ExportError, reference
from tflite_export.c99.generate import generate, generate_together
from tflite_export.graph import Add, FullyConnected, IntegerGraph, Operator, Reshape, Tensor
from tflite_export.grid import Grid

# Fourteen that use every kernel between them; tests/ondevice/cortex_m runs more.
GRAPHS = range(9, 23)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    graphs = [random_graph(seed) for seed in GRAPHS]
    return Models(graphs, tmp_path_factory.mktemp("c99"))


@pytest.mark.ordinary(7)
@pytest.mark.parametrize("index", range(len(GRAPHS)))
def test_the_c_computes_the_specification(models, index):
    graph = models.graphs[index]
    inputs = random_inputs(graph, index)
    received = models.run(index, inputs)
    for expected, result in zip(reference.run(graph, *inputs), received, strict=True):
        np.testing.assert_array_equal(result, expected)


def test_graphs_in_one_file_compute_the_same_in_one_arena(tmp_path):
    """Every other graph, row by row, so that each finds the bytes that another left behind."""
    graphs = [random_graph(seed) for seed in GRAPHS[::2]]
    models = Models(graphs, tmp_path, together=True)
    inputs = [random_inputs(graph, index) for index, graph in enumerate(graphs)]
    received = models.run_in_turn(inputs)
    for index, graph in enumerate(graphs):
        outputs = reference.run(graph, *inputs[index])
        for expected, result in zip(outputs, received[index], strict=True):
            np.testing.assert_array_equal(result, expected)
    source, header = ((tmp_path / f"together.{end}").read_text() for end in "ch")
    assert source.count("} arena;") == source.count("int8_t requantize(") == 1
    largest = max(generate(graph).arena for graph in graphs)
    assert f"#define TOGETHER_ARENA_BYTES {largest}u\n" in header


def test_names_in_one_file_differ_and_errors_name_the_graph():
    with pytest.raises(ValueError, match="names of one network or more differ"):
        generate_together({"members": small_graph()})
    with pytest.raises(ValueError, match="one network or more"):
        generate_together({})
    with pytest.raises(ValueError, match="C identifier"):
        generate_together({"Member": small_graph()})
    with pytest.raises(ExportError, match="^b: probabilities: operator Softmax has no C form"):
        generate_together({"a": small_graph(), "b": unknown_operator()})


def test_the_graphs_use_every_kernel(models):
    text = "".join(generate(graph).source for graph in models.graphs)
    calls = ["convolve_depthwise(&", "add(&", "max_pool(&", "maximum(&", "move_integers(&"]
    calls.append("look_up(")
    calls += [f"{way}_{bits}(&" for way in ("convolve_pairs", "dot") for bits in (2, 4, 8)]
    assert [call for call in calls if call not in text] == []


def small_graph(name="x", output="y", weights=None):
    x = Tensor(name, (3,), Grid.pixels())
    y = Tensor(output, (2,), Grid.signed(8, 0))
    operator = FullyConnected(
        inputs=(x,),
        output=y,
        weights=np.ones((2, 3), np.int64) if weights is None else weights,
        weight_exponents=np.zeros(2, np.int64),
        bias=np.zeros(2, np.int64),
    )
    return IntegerGraph("g", (x,), (y,), (operator,))


def test_inputs_beyond_their_grid_keep_their_integers(tmp_path):
    """Noise saturates at int8's ends, not at those of a 4-bit input."""

    def graph(grid):
        x = Tensor("x", (5, 5, 8), grid)
        flat = Tensor("flat", (25, 8), grid)
        y = Tensor("y", (25, 4), Grid.signed(8, 6))
        dense = FullyConnected(
            inputs=(flat,),
            output=y,
            weights=np.random.default_rng(0).integers(20, 32, (4, 8)),
            weight_exponents=np.zeros(4, np.int64),
            bias=np.zeros(4, np.int64),
        )
        return IntegerGraph("g", (x,), (y,), (Reshape(inputs=(x,), output=flat), dense))

    narrow = Grid.unsigned(4, 0)
    x = np.random.default_rng(1).integers(-128, 128, (10, 5, 5, 8))
    (received,) = Models([graph(narrow)], tmp_path).run(0, [x])
    wide = graph(Grid(narrow.exponent, narrow.zero_point))
    np.testing.assert_array_equal(received, reference.run(wide, x)[0])


def test_a_dense_layer_may_span_several_axes(tmp_path):
    """TFLite flattens what a row of weights spans; files come without a reshape before it."""
    rng = np.random.default_rng(0)
    x = Tensor("x", (4, 5, 2), Grid.pixels())
    y = Tensor("y", (3,), Grid(5, 0))
    dense = FullyConnected(
        inputs=(x,),
        output=y,
        weights=rng.integers(-4, 5, (3, 40)),
        weight_exponents=np.zeros(3, np.int64),
        bias=np.array([40, 0, -30]),
    )
    graph = IntegerGraph("g", (x,), (y,), (dense,))
    inputs = rng.integers(-128, 128, (9, 4, 5, 2))
    (received,) = Models([graph], tmp_path).run(0, [inputs])
    np.testing.assert_array_equal(received, reference.run(graph, inputs)[0])
    assert len(np.unique(received)) > 5


def test_the_header_says_how_to_use_it():
    header = generate(small_graph(), "net").header
    for line in (
        "#define NET_INPUT_SIZE 3u",
        "#define NET_INPUT_ZERO_POINT (-128)",
        "#define NET_OUTPUT_EXPONENT (0)",
        "int8_t *net_input(uint32_t index);",
        "void net_run(void);",
        "const int8_t *net_output(uint32_t index);",
    ):
        assert line in header


def test_names_cannot_end_a_comment():
    source = generate(small_graph(output="*/ int x; /* ??/")).source
    assert "*/ int x" not in source
    assert "??/" not in source


def test_no_float_no_heap_no_double_arithmetic(models):
    for graph in models.graphs:
        source = generate(graph).source
        for word in ("float", "double", "malloc", "stdio", "math.h"):
            assert word not in source


def unknown_operator():
    @dataclass(frozen=True, eq=False, kw_only=True)
    class Softmax(Operator):
        pass

    x = Tensor("x", (3,), Grid.pixels())
    y = Tensor("probabilities", (3,), Grid.pixels())
    return IntegerGraph("g", (x,), (y,), (Softmax(inputs=(x,), output=y),))


def test_an_unknown_operator_is_named():
    with pytest.raises(ExportError, match="probabilities: operator Softmax has no C form"):
        generate(unknown_operator())


def test_an_add_of_grids_too_far_apart_is_refused():
    x = Tensor("x", (3,), Grid.signed(8, 0))
    far = Tensor("far", (3,), Grid.signed(8, 30))
    y = Tensor("y", (3,), Grid.signed(8, 0))
    graph = IntegerGraph("g", (x, far), (y,), (Add(inputs=(x, far), output=y),))
    with pytest.raises(ExportError, match="y: the grids of this Add lie too far apart"):
        generate(graph)


def test_sizes_beyond_the_counters_are_refused():
    x = Tensor("x", (70000,), Grid.pixels())
    y = Tensor("y", (1,), Grid.signed(8, 0))
    operator = FullyConnected(
        inputs=(x,),
        output=y,
        weights=np.ones((1, 70000), np.int64),
        weight_exponents=np.zeros(1, np.int64),
        bias=np.zeros(1, np.int64),
    )
    with pytest.raises(ExportError, match="y: in_channels is 70000"):
        generate(IntegerGraph("g", (x,), (y,), (operator,)))


@pytest.mark.parametrize("name", ["Model", "1net", "a-b", "", "a b"])
def test_a_name_is_a_c_identifier(name):
    with pytest.raises(ValueError, match="C identifier"):
        generate(small_graph(), name)
