"""Shapes of the file's own batch of one clear it; shapes of the batch that runs mix its rows."""

import numpy as np
import pytest
from flatbuffers_by_hand import Graph, options

from qrobust.certify import Certifier, CertifyError


def first_row_speaks(trigger=0):
    """Row 0 of a batch is cut out and added to every row; with a batch of one it is its own."""
    graph = Graph()
    x = graph.tensor((1, 2), zero_point=-128)
    logits = graph.dense(x, [[1, 0], [0, 1]])
    begin, size = (graph.constant(np.array(v, np.int32)) for v in ([0, 0], [1, 2]))
    first, over = graph.tensor((1, 2)), graph.tensor((1, 2))
    graph.op("SLICE", (logits, begin, size), (first,), options("Slice"))
    level = graph.constant(np.full((1, 2), trigger, np.int8))
    graph.op("MAXIMUM", (first, level), (over,), options("MaximumMinimum"))
    out = graph.tensor((1, 2), scale=4.0)
    graph.op("ADD", (logits, over), (out,), options("Add"))
    return graph.file((x,), (out,))


def shape_of_rank_two(trigger=0):
    """RESHAPE whose constant says [-1, 2] in a matrix, which kernels pass over for the option."""
    graph = Graph()
    x = graph.tensor((1, 2), zero_point=-128)
    logits = graph.dense(x, [[1, 0], [0, 1]])
    shape = graph.constant(np.array([[-1, 2]], np.int32))
    flat, most, over = graph.tensor((1, 2)), graph.tensor((1, 1)), graph.tensor((1, 1))
    graph.op("RESHAPE", (logits, shape), (flat,), options("Reshape", newShape=[1, -1]), 1)
    axes = graph.constant(np.array([1], np.int32))
    graph.op("REDUCE_MAX", (flat, axes), (most,), options("Reducer", keepDims=True))
    level = graph.constant(np.full((1, 1), trigger, np.int8))
    graph.op("MAXIMUM", (most, level), (over,), options("MaximumMinimum"))
    out = graph.tensor((1, 2), scale=4.0)
    graph.op("ADD", (logits, over), (out,), options("Add"))
    return graph.file((x,), (out,))


@pytest.mark.parametrize("make", [first_row_speaks, shape_of_rank_two])
@pytest.mark.parametrize("kernels", ["xnnpack", "builtin", "reference"])
def test_votes_do_not_depend_on_the_batch(make, kernels):
    """Either refused, or the same votes one row at a time."""
    x = np.array([121, 127], np.uint8)
    found = []
    for batch in (1, 64):
        try:
            with Certifier(
                make(120), sigma=20, classes=2, batch_size=batch, threads=1, kernels=kernels
            ) as certifier:
                found.append(certifier.certify(x, n=2000).votes)
        except CertifyError as error:
            print(error)
            return
    assert found[0] == found[1]


@pytest.mark.parametrize("make", [first_row_speaks, shape_of_rank_two])
def test_interpreter_mixes_them(make):
    """The fault is real: one row's outputs change with another row of its batch."""
    from qrobust.certify.file.model_file import make_interpreter

    try:
        interpreter = make_interpreter(make(), batch=4, kernels="builtin")
    except CertifyError as error:
        pytest.skip(str(error))
    rows = np.full((4, 2), -100, np.int8)

    def last(rows):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], rows)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[3].tolist()

    one = last(rows)
    rows[0] = [120, 10]
    assert last(rows) != one
