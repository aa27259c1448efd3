"""The differentiable twin gives the integers of the specification, faults included."""

import numpy as np
import pytest
from random_graphs import random_graph, random_inputs

from qrobust.attacks.faults.activation_flips import exposed, random_masks
from qrobust.attacks.faults.graph_twin import GraphTwin
from tflite_export import reference
from tflite_export.graph import Linear, Table


def exact(graph):
    """One input and one output, and accumulators that float32 holds."""
    linear = [op for op in graph.operators if isinstance(op, Linear)]
    small = all(op.accumulator_bound.max(initial=0) < 2**23 for op in linear)
    return small and len(graph.inputs) == len(graph.outputs) == 1


SINGLE = [seed for seed in range(80) if exact(random_graph(seed))]


def values_of(graph, q, masks=None):
    twin = GraphTwin(graph)
    weights = [op.weights.astype(np.float32) for op in twin.linear]
    return twin.run(q.astype(np.float32), weights, masks)


@pytest.mark.parametrize("seed", SINGLE[:30])
def test_the_same_integers(seed):
    graph = random_graph(seed)
    (q,) = random_inputs(graph, seed)
    written = {}

    def kept(tensor, value):
        written[tensor] = value
        return value

    reference.run(graph, q, after=kept)
    found = values_of(graph, q)
    for tensor, value in written.items():
        np.testing.assert_array_equal(np.asarray(found[tensor]), value)


@pytest.mark.parametrize("seed", SINGLE[:8])
def test_flipped_bits_give_the_same_integers(seed):
    graph = random_graph(seed)
    (q,) = random_inputs(graph, seed)
    bits = 8 * sum(tensor.size for tensor in exposed(graph))
    if bits < 3:
        pytest.skip("nothing between input and output")
    rngs = [np.random.default_rng((seed, i)) for i in range(len(q))]
    masks = random_masks(graph, rngs, 3)

    def after(tensor, value):
        return (
            (value.astype(np.int8) ^ masks[tensor]).astype(np.int64) if tensor in masks else value
        )

    (expected,) = reference.run(graph, q, after=after)
    found = values_of(graph, q, masks)[graph.outputs[0]]
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert sum(int(np.unpackbits(mask.view(np.uint8)).sum()) for mask in masks.values()) == (
        3 * len(q)
    )


def test_these_graphs_use_every_kind_of_operator():
    kinds = {type(op) for seed in SINGLE[:30] for op in random_graph(seed).operators}
    every = {type(op) for seed in range(60) for op in random_graph(seed).operators}
    assert kinds == every and Table in kinds


def test_several_outputs_are_refused():
    graph = next(g for g in map(random_graph, range(60)) if len(g.inputs) > 1 or len(g.outputs) > 1)
    with pytest.raises(ValueError, match="one input and one output"):
        GraphTwin(graph)
