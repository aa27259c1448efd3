"""A second, independent oracle: the network as bit-vectors, decided by Z3.

Shares nothing with the bounds: loops over weights, shifts and comparisons of bit-vectors.
"""

import numpy as np
import pytest

from qrobust.verify import LinfBall, Problem, verify
from qrobust.verify.outcome import PROVEN, REFUTED
from tflite_export.graph import FullyConnected, Maximum

from .nets import dense_net, file_of

z3 = pytest.importorskip("z3", reason="pip install z3-solver (extra dev)")

_BITS = 24


def number(n):
    return z3.BitVecVal(int(n), _BITS)


def clamp(x, grid):
    low, high = number(grid.minimum), number(grid.maximum)
    return z3.If(x < low, low, z3.If(x > high, high, x))


def connected(layer, q):
    grid, source = layer.output.grid, layer.source.grid
    outputs = []
    for weights, bias, shift in zip(layer.weights, layer.bias, layer.shift, strict=True):
        acc = number(bias)
        for weight, value in zip(weights, q, strict=True):
            acc = acc + number(weight) * (value - number(source.zero_point))
        if shift > 0:
            acc = (acc + number(1 << (int(shift) - 1))) >> int(shift)
        elif shift < 0:
            acc = acc << -int(shift)
        outputs.append(clamp(acc + number(grid.zero_point), grid))
    return outputs


def decided(graph, low, high, label):
    """Proven or refuted, from Z3 alone; low and high are stored integers."""
    solver = z3.Solver()
    inputs = [z3.BitVec(f"x{i}", _BITS) for i in range(len(low))]
    for x, a, b in zip(inputs, low, high, strict=True):
        solver.add(x >= number(a), x <= number(b))
    values = {graph.inputs[0]: inputs}
    for operator in graph.operators:
        q = values[operator.inputs[0]]
        if isinstance(operator, FullyConnected):
            assert operator.accumulator_bound.max() < 1 << (_BITS - 2)
            values[operator.output] = connected(operator, q)
        else:
            assert isinstance(operator, Maximum)
            bound = number(operator.bound)
            values[operator.output] = [z3.If(x < bound, bound, x) for x in q]
    logits = values[graph.outputs[0]]
    own = logits[label]
    solver.add(
        z3.Or(
            [
                other >= own if c < label else other > own
                for c, other in enumerate(logits)
                if c != label
            ]
        )
    )
    answer = solver.check()
    assert answer != z3.unknown
    return PROVEN if answer == z3.unsat else REFUTED


def compare(nets, images, inputs, radius):
    rng = np.random.default_rng(0)
    seen = {PROVEN: 0, REFUTED: 0}
    for net in range(nets):
        problem = Problem(file_of(dense_net(net, inputs=inputs)))
        for _ in range(images):
            x = rng.integers(0, 256, problem.domain.shape).astype(np.int16)
            region = LinfBall(int(rng.integers(1, radius)))
            outcome = verify(problem, x, region, budget=10**5)
            box = region.box(x, problem.domain)
            ends = problem.stored(box.low), problem.stored(box.high)
            assert decided(problem.graph, *ends, outcome.predicted) == outcome.status
            seen[outcome.status] += 1
    return seen


def test_z3_agrees():
    seen = compare(3, 8, inputs=2, radius=25)
    assert min(seen.values()) >= 3


@pytest.mark.slow
def test_z3_agrees_where_enumeration_does_not_reach():
    """Boxes of up to 13**5 inputs."""
    seen = compare(5, 8, inputs=5, radius=7)
    assert min(seen.values()) >= 3
