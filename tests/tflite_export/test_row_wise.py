"""What is a function of one input and what is not, decided without running it."""

from pathlib import Path

import numpy as np
import pytest
from flatbuffers_by_hand import Graph, batch_mix, options
from random_graphs import random_graph

from tflite_export import ExportError
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.read import read_graph
from tflite_export.row_wise import check_row_wise

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize(
    "path", sorted(MODELS.rglob("*.tflite")), ids=lambda p: str(p.relative_to(MODELS))
)
def test_shipped_files_are_cleared_for_any_batch(path):
    assert check_row_wise(path.read_bytes()) is None


def test_everything_that_we_write_is_cleared():
    written = 0
    for seed in range(60):
        try:
            file = to_flatbuffer(explicit_clips(random_graph(seed)))
        except ExportError:
            continue
        written += 1
        assert check_row_wise(file) is None
    assert written > 25


def one(code, shape, out, extra=(), opts=None, first=True, version=2):
    """One operator from an input of ``shape`` to ``out``."""
    graph = Graph()
    x = graph.tensor(shape)
    rest = [graph.constant(np.asarray(array)) for array in extra]
    inputs = (x, *rest) if first else (*rest, x)
    graph.op(code, inputs, (y := graph.tensor(out),), opts, version)
    return graph.file((x,), (y,))


INT = np.int32
MIXING = {
    "mean over rows": ("MEAN", (1, 4), (1, 4), [INT([0])], options("Reducer", keepDims=True)),
    "mean over all": ("MEAN", (1, 4), (1, 1), [INT([0, 1])], options("Reducer", keepDims=True)),
    "mean over -2": ("MEAN", (1, 4), (1, 4), [INT([-2])], options("Reducer", keepDims=True)),
    "maximum over rows": ("REDUCE_MAX", (1, 4), (1, 4), [INT([0])], options("Reducer")),
    "sum over rows": ("SUM", (1, 4), (1, 4), [INT([0])], options("Reducer", keepDims=True)),
    "columns into rows": ("RESHAPE", (1, 4), (1, 2), [INT([-1, 2])], options("Reshape")),
    "transposed": ("TRANSPOSE", (1, 1), (1, 1), [INT([1, 0])], options("Transpose")),
    "padded": ("PAD", (1, 4), (1, 4), [INT([[1, 0], [0, 0]])], options("Pad")),
    "cut": ("SLICE", (1, 4), (1, 4), [INT([1, 0]), INT([-1, 4])], options("Slice")),
    "gathered": ("GATHER", (1, 4), (1, 4), [INT([0])], options("Gather", axis=0)),
    "squeezed": ("SQUEEZE", (1, 4), (1, 4), [], options("Squeeze", squeezeDims=[0])),
    "all squeezed": ("SQUEEZE", (1, 4), (1, 4), [], options("Squeeze")),
    "softmax of rows": ("SOFTMAX", (1,), (1,), [], options("Softmax", beta=1.0)),
    "a constant by row": ("ADD", (1, 4), (1, 4), [np.zeros((2, 4), np.int8)], options("Add")),
    "random": ("RANDOM_UNIFORM", (1, 4), (1, 4), [], options("Random")),
    "cumulative": ("CUMSUM", (1, 4), (1, 4), [INT([0])], options("Cumsum")),
    "reversed": ("REVERSE_V2", (1, 4), (1, 4), [INT([0])], options("ReverseV2")),
    "sorted": ("TOPK_V2", (1, 4), (1, 4), [INT([4])], options("TopKV2")),
    "batch to space": ("BATCH_TO_SPACE_ND", (1, 2, 2, 1), (1, 2, 2, 1), [INT([1, 1])], None),
}


@pytest.mark.parametrize("name", MIXING)
def test_what_may_mix_is_refused_by_name(name):
    code = MIXING[name][0]
    with pytest.raises(ExportError, match=f"no function of one input.* {code} 't"):
        check_row_wise(one(*MIXING[name]))


ROW_WISE = {
    "mean over columns": ("MEAN", (1, 4), (1, 1), [INT([1])], options("Reducer", keepDims=True)),
    "mean over -1": ("MEAN", (1, 4), (1, 1), [INT([-1])], options("Reducer", keepDims=True)),
    "reshaped": ("RESHAPE", (1, 4), (1, 2, 2), [INT([-1, 2, 2])], options("Reshape")),
    "transposed": ("TRANSPOSE", (1, 2, 3), (1, 3, 2), [INT([0, 2, 1])], options("Transpose")),
    "padded": ("PAD", (1, 4), (1, 5), [INT([[0, 0], [0, 1]])], options("Pad")),
    "softmax": ("SOFTMAX", (1, 4), (1, 4), [], options("Softmax", beta=1.0)),
    "a table": ("GATHER", (1, 4), (1, 4), [np.zeros(9, np.int8)], options("Gather"), False),
    "columns": ("GATHER", (1, 4), (1, 2), [INT([0, 1])], options("Gather", axis=1)),
    "a constant": ("ADD", (1, 4), (1, 4), [np.zeros((1, 4), np.int8)], options("Add")),
}


@pytest.mark.parametrize("name", ROW_WISE)
def test_what_cannot_mix_is_cleared(name):
    assert check_row_wise(one(*ROW_WISE[name])) is None


def test_a_fixed_batch_runs_one_row_at_a_time():
    fixed = one("RESHAPE", (1, 4), (1, 2, 2), [INT([1, 2, 2])], options("Reshape"))
    assert check_row_wise(fixed) == 1
    # For more rows than one, this would make columns of rows.
    assert check_row_wise(one("RESHAPE", (1, 4), (1, 4), [INT([1, -1])], options("Reshape"))) == 1
    with pytest.raises(ExportError, match="its batch is fixed"):
        check_row_wise(one("RESHAPE", (8, 4), (8, 2, 2), [INT([8, 2, 2])], options("Reshape")))


@pytest.mark.parametrize("trigger", [None, 100, 127])
def test_a_mean_over_the_batch(trigger):
    with pytest.raises(ExportError, match="MEAN 't.*reduces over the batch"):
        check_row_wise(batch_mix(trigger))
    with pytest.raises(ExportError, match="reduces over the batch"):
        read_graph(batch_mix(trigger))  # what the C generator reads


def test_all_are_named_at_once():
    graph = Graph()
    x = graph.tensor((1, 4))
    a = graph.tensor((1, 4))
    b = graph.tensor((1, 4))
    axis = graph.constant(INT([0]))
    graph.op("SUM", (x, axis), (a,), options("Reducer", keepDims=True))
    graph.op("REVERSE_V2", (a, axis), (b,), options("ReverseV2"))
    with pytest.raises(ExportError, match="SUM 't1' .*; REVERSE_V2 't2'"):
        check_row_wise(graph.file((x,), (b,)))


def test_what_remembers_is_refused():
    graph = Graph()
    x, state = graph.tensor((1, 4)), graph.tensor((1, 4), variable=True)
    y = graph.tensor((1, 4))
    graph.op("ADD", (x, state), (y,), options("Add"))
    with pytest.raises(ExportError, match="'t1' is a variable.*ADD 't2'"):
        check_row_wise(graph.file((x,), (y,)))


def test_what_reads_the_last_call_is_refused():
    graph = Graph()
    x, late, y = (graph.tensor((1, 4)) for _ in range(3))
    graph.op("ADD", (x, late), (y,), options("Add"))
    graph.op("RELU", (x,), (late,))
    with pytest.raises(ExportError, match="reads a tensor that nothing has written yet"):
        check_row_wise(graph.file((x,), (y,)))
    again = Graph()
    x, y = again.tensor((1, 4)), again.tensor((1, 4))
    again.op("RELU", (x,), (x,))
    again.op("RELU", (x,), (y,))
    with pytest.raises(ExportError, match="writes a tensor a second time"):
        check_row_wise(again.file((x,), (y,)))


def test_weights_that_are_computed_are_refused():
    graph = Graph()
    x = graph.tensor((1, 1))
    bias = graph.constant(np.zeros(1, np.int32))
    out = graph.tensor((1, 1))
    graph.op("FULLY_CONNECTED", (x, x, bias), (out,), options("FullyConnected"), 4)
    with pytest.raises(ExportError, match="weights that are computed"):
        check_row_wise(graph.file((x,), (out,)))


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\xff" * 4 + b"TFL3" * 9])
def test_no_file(content):
    with pytest.raises(ExportError, match="Not a .tflite|damaged"):
        check_row_wise(content)
