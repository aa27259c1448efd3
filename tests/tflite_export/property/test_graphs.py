"""Random integer graphs: the passes keep the specification, and every runtime follows it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflite_export import reference, runtimes
from tflite_export.contract import contract_problem
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.graph import FullyConnected, IntegerGraph, Linear, Tensor
from tflite_export.grid import Grid
from tflite_export.passes.global_average import global_average
from tflite_export.passes.merge_reshapes import merge_reshapes
from tflite_export.passes.storage import store
from tflite_export.passes.tie_free import is_tie_free, tie_free
from tflite_export.read import read_graph

from .effort import examples
from .graphs import inputs_of, integer_graphs

SEEDS = st.integers(0, 2**16)
STORAGES = st.sampled_from(["int8", "int4", "int2"])
IOS = st.sampled_from(["int8", "uint8"])


def passes(graph, storage):
    """What an export does to a graph, one pass after the other."""
    yield (graph := merge_reshapes(graph))
    yield (graph := global_average(graph))
    yield (graph := explicit_clips(graph))
    yield (graph := tie_free(graph))
    graph, notes = store(graph, storage, exact=True, cost=-1)  # however small
    assert not notes
    yield graph


def received(runtime, model, x):
    why = runtimes.missing(runtime, model)
    if why:
        pytest.skip(why)
    return runtimes.run(runtime, model, [x.astype(np.int8)])


@pytest.mark.thorough
@examples(150)
@given(graph=integer_graphs(), storage=STORAGES, seed=SEEDS)
def test_the_passes_keep_every_integer(graph, storage, seed):
    x = inputs_of(graph, seed)
    expected = reference.run(graph, x)
    for passed in passes(graph, storage):
        for before, after in zip(expected, reference.run(passed, x), strict=True):
            np.testing.assert_array_equal(before, after)
    assert all(is_tie_free(o) for o in passed.operators if isinstance(o, Linear))


@examples(100)
@given(graph=integer_graphs(), storage=STORAGES, seed=SEEDS)
def test_packing_keeps_every_integer(graph, storage, seed):
    """Also where tie-free scaling is undone to make room."""
    x = inputs_of(graph, seed)
    packed, _ = store(tie_free(graph), storage, exact=False)
    for before, after in zip(reference.run(graph, x), reference.run(packed, x), strict=True):
        np.testing.assert_array_equal(before, after)


@examples(100)
@given(graph=integer_graphs(), seed=SEEDS)
def test_a_packed_file_is_read_back_with_the_same_integers(graph, seed):
    """As it stands and without what packing took, and it meets the contract."""
    x = inputs_of(graph, seed)
    *_, passed = passes(graph, "int4")
    model = to_flatbuffer(passed)
    assert contract_problem(model) == ""
    for as_stored in (False, True):
        read = read_graph(model, as_stored=as_stored)
        for before, after in zip(reference.run(graph, x), reference.run(read, x), strict=True):
            np.testing.assert_array_equal(before, after)


def test_packing_a_channel_that_only_looks_scaled():
    """Weights that are multiples of four and a bias of 1, though nothing is rounded."""
    x = Tensor("x", (1,), Grid.unsigned(3, 0))
    dense = FullyConnected(
        inputs=(x,),
        output=Tensor("y", (2,), Grid.signed(8, 0)),
        weights=np.array([[12], [4]]),
        weight_exponents=np.zeros(2, np.int64),
        bias=np.array([1, 1]),
    )
    graph = IntegerGraph("packed", (x,), (dense.output,), (dense,))
    q = np.arange(x.grid.minimum, x.grid.maximum + 1)[:, None]
    packed, _ = store(tie_free(graph), "int4", exact=False)
    np.testing.assert_array_equal(reference.run(packed, q)[0], reference.run(graph, q)[0])


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("runtime", runtimes.RUNTIMES)
@examples(100)
@given(graph=integer_graphs(), storage=STORAGES, io=IOS, seed=SEEDS)
def test_a_runtime_computes_the_specification(runtime, graph, storage, io, seed):
    if storage == "int2" and runtime == "TFLM":
        storage = "int4"
    x = inputs_of(graph, seed)
    *_, passed = passes(graph, storage)
    results = received(runtime, to_flatbuffer(passed, io=io), x)
    for expected, result in zip(reference.run(graph, x), results, strict=True):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("runtime", runtimes.RUNTIMES)
def test_the_search_would_find_a_runtime_that_rounds_its_own_way(runtime):
    """Without the tie-free pass all of them do, on many of the drawn graphs."""
    differing = []

    @examples(100)
    @given(graph=integer_graphs(), seed=SEEDS)
    def check(graph, seed):
        x = inputs_of(graph, seed)
        results = received(runtime, to_flatbuffer(explicit_clips(graph)), x)
        pairs = zip(reference.run(graph, x), results, strict=True)
        differing.append(any(np.any(a != b) for a, b in pairs))

    check()
    assert np.mean(differing) > 0.05
