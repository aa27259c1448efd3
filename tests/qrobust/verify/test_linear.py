"""Linear bounds: lines under staircases, adjoints, and whole graphs; all against brute force."""

from fractions import Fraction

import numpy as np
import pytest
from random_graphs import random_graph

from qrobust.verify import linear
from qrobust.verify.adjoints import linear_adjoint
from qrobust.verify.intervals import Interval, propagate
from qrobust.verify.linear import LinearBounds
from qrobust.verify.staircase import Staircase, lines
from tflite_export import reference
from tflite_export.graph import IntegerGraph, Linear

from .nets import dense_net, picture_net


def single(seeds):
    return [seed for seed in seeds if len(random_graph(seed).inputs) == 1]


def random_box(rng, tensor, boxes, width):
    low = rng.integers(tensor.grid.minimum, tensor.grid.maximum + 1, (boxes, *tensor.shape))
    return Interval(
        low, np.minimum(low + rng.integers(0, width + 1, low.shape), tensor.grid.maximum)
    )


def test_lines_hold_at_every_integer_and_touch():
    rng = np.random.default_rng(0)
    slopes, touching = set(), 0
    for _ in range(300):
        shift = int(rng.integers(-3, 8))
        minimum = -int(rng.integers(0, 10))
        steps = Staircase(np.array(shift), minimum, minimum + int(rng.integers(1, 16)))
        low = int(rng.integers(-1200, 1200) * 2.0 ** (shift - 7))
        high = low + int(rng.integers(0, 600) * 2.0 ** (shift - 7))
        below, above = lines(steps, Interval(np.array([low]), np.array([high])))
        a = np.arange(low, high + 1)
        g = [exact_step(int(v), shift, steps.minimum, steps.maximum) for v in a]
        gaps = []
        for line, sign in ((below, 1), (above, -1)):
            slope, intercept = Fraction(line.slope[0]), Fraction(line.intercept[0])
            gap = min(sign * (y - slope * int(v) - intercept) for v, y in zip(a, g, strict=True))
            assert 0 <= gap < Fraction(1, 10**9)
            gaps.append(gap)
            slopes.add(float(line.slope[0]) > 0)
        touching += 1
    assert slopes == {True, False}
    assert touching == 300


def exact_step(a, shift, minimum, maximum):
    rounded = (Fraction(a) / Fraction(2) ** shift + Fraction(1, 2)).__floor__()
    return min(max(rounded, minimum), maximum)


@pytest.mark.parametrize("seed", range(40))
def test_adjoints_are_transposes(seed):
    rng = np.random.default_rng(seed)
    for operator in random_graph(seed).operators:
        if isinstance(operator, Linear):
            rows = rng.integers(-3, 4, (2, *operator.output.shape)).astype(float)
            q = rng.integers(-128, 128, (1, *operator.source.shape))
            acc = reference.accumulate(operator, q) - operator.bias
            back = linear_adjoint(operator, rows)
            direct = (rows * acc).reshape(2, -1).sum(axis=1)
            other = (back * (q - operator.source.grid.zero_point)).reshape(2, -1).sum(axis=1)
            np.testing.assert_array_equal(direct, other)


@pytest.mark.ordinary(24)
@pytest.mark.parametrize("seed", single(range(60)))
def test_whole_graphs_are_bounded(seed):
    """Random functionals of every output, on random inputs and corners of boxes."""
    graph = random_graph(seed)
    rng = np.random.default_rng(seed)
    box = random_box(rng, graph.inputs[0], 2, int(rng.choice([1, 6, 60])))
    bounds = LinearBounds(graph, box, refine=40)
    plain = propagate(graph, box)
    whole = IntegerGraph("all", graph.inputs, graph.tensors, graph.operators)
    tensor = graph.tensors[-1]
    rows = rng.integers(-5, 6, (2, 3, *tensor.shape)).astype(float)
    constant = rng.integers(-50, 51, (2, 3))
    lower = bounds.lower(tensor, rows, constant)
    for trial in range(30):
        x = rng.integers(box.low, box.high + 1)
        if trial % 2:
            x = np.where(rng.random(x.shape) < 0.5, box.low, box.high)
        values = reference.run(whole, x)
        for t, value in zip(graph.tensors, values, strict=True):
            assert (bounds.intervals[t].low <= value).all()
            assert (value <= bounds.intervals[t].high).all()
            assert (plain[t].low <= bounds.intervals[t].low).all()
        q = (values[-1] - tensor.grid.zero_point)[:, None]
        target = (rows * q).reshape(2, 3, -1).sum(axis=2) + constant
        assert (lower <= target).all()


def exact_bound(graph, box, bounds, tensor, rows, constant):
    """The same lines in exact fractions: what float64 must not exceed."""
    live = {tensor: np.vectorize(Fraction)(rows)}
    low = Fraction(int(constant))
    for operator in reversed(graph.operators):
        a = live.pop(operator.output, None)
        if a is None:
            continue
        if operator in bounds._lines:
            below, above = bounds._lines[operator]
            inner = np.empty(a.shape, object)
            for i in np.ndindex(a.shape):
                line = below if a[i] > 0 else above
                shape = (1, *a.shape)
                slope = np.broadcast_to(line.slope, shape)[(0, *i)]
                intercept = np.broadcast_to(line.intercept, shape)[(0, *i)]
                inner[i] = a[i] * Fraction(float(slope))
                low += a[i] * Fraction(float(intercept))
            low += sum((inner * np.vectorize(int)(operator.bias)).ravel())
            live[operator.source] = inner @ operator.weights.astype(object)
    (source,) = graph.inputs
    zero = source.grid.zero_point
    for a, lo, hi in zip(live[source], box.low[0] - zero, box.high[0] - zero, strict=True):
        low += a * int(lo if a > 0 else hi)
    return low


def compared(trials):
    over, gaps = 0, []
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        graph = dense_net(seed, inputs=5, hidden=7)
        box = random_box(rng, graph.inputs[0], 1, 9)
        bounds = LinearBounds(graph, box, refine=100)
        tensor = graph.outputs[0]
        rows = rng.normal(size=(1, 1, 3)) * 10.0 ** rng.integers(-6, 7)
        got = Fraction(float(bounds.real_lower(tensor, rows, np.array([[7]]))[0, 0]))
        exact = exact_bound(graph, box, bounds, tensor, rows[0, 0], 7)
        over += got > exact
        gaps.append(float(abs(exact - got) / (1 + abs(exact))))
    return over, max(gaps)


def test_float64_never_exceeds_exact_fractions():
    over, gap = compared(40)
    assert over == 0
    assert gap < 1e-8


def test_without_outward_rounding_it_would(monkeypatch):
    monkeypatch.setattr(linear, "_gamma", lambda graph: 0.0)
    assert compared(40)[0] > 0


def test_linear_bounds_prove_more_than_intervals():
    tighter = 0
    for seed in range(10):
        graph = picture_net(seed)
        box = random_box(np.random.default_rng(seed), graph.inputs[0], 1, 4)
        (output,) = graph.outputs
        bounds = LinearBounds(graph, box, refine=100)
        plain = propagate(graph, box)[output]
        rows = np.array([[[1.0, -1.0, 0.0]]])
        lower = bounds.lower(output, rows, np.zeros((1, 1), np.int64))[0, 0]
        tighter += lower > plain.low[0, 0] - plain.high[0, 1]
    assert tighter > 5
