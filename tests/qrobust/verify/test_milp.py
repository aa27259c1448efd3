"""A third, independent oracle: the network as a mixed-integer program, decided by HiGHS."""

import numpy as np
import pytest

from qrobust.verify import PROVEN, REFUTED, UNKNOWN, LinfBall, Problem, program, verify

from .nets import dense_net, file_of

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
