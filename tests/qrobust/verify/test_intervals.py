"""Interval bounds: sound, and each operator's own bounds attained at corners."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from random_graphs import random_graph, random_inputs

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.intervals import RULES, Interval, propagate, run_alone
from tflite_export import reference
from tflite_export.graph import IntegerGraph, Linear, Operator, Table, Tensor
from tflite_export.grid import Grid

from .nets import picture_net


def random_box(rng, tensor, boxes, width):
    grid = tensor.grid
    ends = rng.integers(grid.minimum, grid.maximum + 1, (2, boxes, *tensor.shape))
    low = ends.min(axis=0)
    return Interval(low, np.minimum(np.maximum(low, ends.max(axis=0)), low + width))


def inside(rng, box):
    return rng.integers(box.low, box.high + 1)


def operators_of(seeds):
    for seed in seeds:
        yield from random_graph(seed).operators


def test_every_operator_encloses_and_is_attained_at_corners():
    """The lower end of every output number is the output at some corner, and so is the upper."""
    rng = np.random.default_rng(0)
    kinds = set()
    for operator in operators_of(range(60)):
        tensors = tuple(dict.fromkeys(operator.inputs))
        box = {t: random_box(rng, t, 2, int(rng.integers(0, 80))) for t in tensors}
        out = RULES[type(operator)](operator, tuple(box[t] for t in operator.inputs))
        for _ in range(10):
            values = run_alone(operator, *(corner(rng, box, t) for t in operator.inputs))
            if len(set(operator.inputs)) == len(operator.inputs):
                assert (out.low <= values).all()
                assert (values <= out.high).all()
        low, high = best_corners(operator, box)
        np.testing.assert_array_equal(out.low, low)
        np.testing.assert_array_equal(out.high, high)
        kinds.add(type(operator))
    assert kinds == set(RULES)


def corner(rng, box, tensor):
    return inside(np.random.default_rng(rng.integers(1 << 30)), box[tensor])


def best_corners(operator, box):
    """The corner that each output number asks for, one after the other: an oracle of its own."""
    if isinstance(operator, Table):
        return best_entries(operator, box[operator.inputs[0]])
    if not isinstance(operator, Linear):
        ends = [
            run_alone(operator, *(getattr(box[t], end) for t in operator.inputs))
            for end in ("low", "high")
        ]
        return ends[0], ends[1]
    (source,) = operator.inputs
    interval = box[source]
    # The sign of each weight as seen from one output: the accumulator's slope along each input.
    size = source.size
    units = np.eye(size, dtype=np.int64).reshape(size, *source.shape)
    zero = source.grid.zero_point
    slopes = (reference.accumulate(operator, units + zero) - operator.bias).reshape(size, -1)
    flat = {end: getattr(interval, end).reshape(2, size) for end in ("low", "high")}
    ends = []
    for positive, negative in (("low", "high"), ("high", "low")):
        acc = (flat[positive] - zero) @ np.maximum(slopes, 0)
        acc += (flat[negative] - zero) @ np.minimum(slopes, 0)
        acc = acc.reshape(2, *operator.output.shape) + operator.bias
        shifted = [
            [exact_round(int(a), int(s)) for a, s in zip(row, operator.shift, strict=True)]
            for row in acc.reshape(-1, acc.shape[-1])
        ]
        grid = operator.output.grid
        rounded = np.array(shifted, dtype=object).reshape(acc.shape) + grid.zero_point
        ends.append(np.clip(rounded, grid.minimum, grid.maximum).astype(np.int64))
    return ends[0], ends[1]


def best_entries(operator, interval):
    """The least and the largest entry, number by number."""
    ends = np.empty((2, *interval.low.shape), np.int64)
    for place in np.ndindex(interval.low.shape):
        row = operator.entries[place[-1] % len(operator.entries)]
        seen = row[interval.low[place] + 128 : interval.high[place] + 129]
        ends[(0, *place)], ends[(1, *place)] = seen.min(), seen.max()
    return ends[0], ends[1]


def exact_round(acc, shift):
    return (2 * acc + (1 << shift)) >> (shift + 1) if shift > 0 else acc << -shift


@pytest.mark.parametrize("seed", [s for s in range(30) if len(random_graph(s).inputs) == 1])
def test_whole_graphs_enclose(seed):
    graph = random_graph(seed)
    rng = np.random.default_rng(seed)
    box = random_box(rng, graph.inputs[0], 3, 20)
    intervals = propagate(graph, box)
    whole = IntegerGraph("all", graph.inputs, graph.tensors, graph.operators)
    for _ in range(20):
        values = reference.run(whole, inside(rng, box))
        for tensor, value in zip(graph.tensors, values, strict=True):
            assert (intervals[tensor].low <= value).all()
            assert (value <= intervals[tensor].high).all()


def test_a_point_is_bounded_by_itself():
    for seed in range(20):
        graph = random_graph(seed)
        if len(graph.inputs) == 1:
            (x,) = random_inputs(graph, seed)
            intervals = propagate(graph, Interval(x, x))
            for tensor, value in zip(graph.outputs, reference.run(graph, x), strict=True):
                np.testing.assert_array_equal(intervals[tensor].low, value)
                np.testing.assert_array_equal(intervals[tensor].high, value)


def test_ascent_on_every_logit_never_escapes():
    """Coordinate ascent from corners: as near to the bounds as one gets, and never beyond."""
    reached = []
    for seed in range(6):
        graph = picture_net(seed, side=4)
        rng = np.random.default_rng(seed)
        box = random_box(rng, graph.inputs[0], 1, 12)
        (output,) = graph.outputs
        bounds = propagate(graph, box)[output]
        for c, end in product(range(3), (-1, 1)):
            best = ascend(rng, graph, box, c, end)
            bound = bounds.high[0, c] if end == 1 else bounds.low[0, c]
            assert end * best <= end * bound
            reached.append(best == bound)
    assert np.mean(reached) < 1  # boxes forget; else this test would say nothing


def ascend(rng, graph, box, c, end):
    x = np.where(rng.random((8, *box.low.shape[1:])) < 0.5, box.low, box.high)
    value = end * reference.run(graph, x)[0][:, c]
    for i in rng.permutation(x[0].size):
        other = x.copy()
        flat = other.reshape(len(x), -1)
        flat[:, i] = box.low.ravel()[i] + box.high.ravel()[i] - flat[:, i]
        changed = end * reference.run(graph, other)[0][:, c]
        better = changed >= value
        x[better], value[better] = other[better], changed[better]
    return end * value.max()


@dataclass(frozen=True, eq=False, kw_only=True)
class Mystery(Operator):
    """An operator that nobody wrote a rule for."""


def test_an_operator_without_a_rule_is_refused_by_name():
    x = Tensor("x", (4,), Grid.pixels())
    graph = IntegerGraph(
        "odd", (x,), (y := Tensor("sum", (4,), Grid.pixels()),), (Mystery(inputs=(x,), output=y),)
    )
    point = np.zeros((1, 4), np.int64)
    with pytest.raises(CertifyError, match="'sum' is a Mystery"):
        propagate(graph, Interval(point, point))
