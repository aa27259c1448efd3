"""A third, independent oracle: the network as a mixed-integer program, decided by HiGHS."""

import sys

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify import PROVEN, REFUTED, UNKNOWN, LinfBall, Problem, program, verify
from tflite_export import reference

from .nets import dense_net, file_of, picture_net

pytest.importorskip("scipy")


def compare(nets, images, inputs, radius, **options):
    rng = np.random.default_rng(0)
    seen = {PROVEN: 0, REFUTED: 0, UNKNOWN: 0, "other": 0}
    for net in range(nets):
        problem = Problem(file_of(dense_net(net, inputs=inputs, **options)))
        for _ in range(images):
            x = rng.integers(0, 256, problem.domain.shape).astype(np.int16)
            region = LinfBall(int(rng.integers(1, radius)))
            outcome = verify(problem, x, region, budget=10**5)
            says = verify(problem, x, region, "milp").status
            seen[says] += 1
            seen["other"] += says not in (outcome.status, UNKNOWN)
    return seen


def test_the_program_agrees_with_branching():
    seen = compare(4, 10, inputs=3, radius=20)
    assert seen["other"] == 0
    assert min(seen[PROVEN], seen[REFUTED]) >= 5
    assert seen[UNKNOWN] <= 2


def test_a_program_without_rounding_would_disagree(monkeypatch):
    """Planted: accumulators that round down instead of half up."""
    true = program._rounded

    def floored(built, terms, constant, p, shift, zero):
        true(built, terms, constant - (2.0**shift / 2 if shift > 0 else 0), p, shift, zero)

    monkeypatch.setattr(program, "_rounded", floored)
    seen = compare(4, 10, inputs=3, radius=20)
    assert seen["other"] + seen[UNKNOWN] > 2


def test_weights_are_read_in_parts():
    """A picture of more numbers than are read at once; the whole as one product."""
    (first, *_) = picture_net(3, side=6, channels=3).operators
    matrix = program.affine(first)
    assert first.source.size > program._UNITS and matrix.shape == (6 * 6 * 4, 108)
    x = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 3))
    zero = first.source.grid.zero_point
    sums = reference.accumulate(first, x + zero).reshape(5, -1)
    bias = np.broadcast_to(first.bias, (6, 6, 4)).reshape(-1)
    np.testing.assert_array_equal(matrix @ x.reshape(5, -1).T, (sums - bias).T)


def test_without_scipy_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(CertifyError, match="pip install scipy"):
        verify(file_of(dense_net(0)), np.array([1, 2]), LinfBall(1), "milp")
