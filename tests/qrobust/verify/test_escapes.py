"""Whole shipped networks: nothing that an attack reaches lies outside the bounds."""

from pathlib import Path

import numpy as np
import pytest

from qrobust.verify import LinfBall, Problem
from qrobust.verify.intervals import propagate
from qrobust.verify.linear import LinearBounds
from qrobust.verify.search import Gradients

MODELS = Path(__file__).resolve().parents[3] / "models"


def extremes(problem, box, steps, rng):
    """Logits met while every logit is pushed up and down by gradients, from random corners."""
    classes = problem.file.classes
    label = np.repeat(np.arange(classes), 2)
    sign = np.tile([1.0, -1.0], classes).reshape(-1, *(1 for _ in box.low.shape))
    shape = (2 * classes, *box.low.shape)
    points = np.where(rng.random(shape) < 0.5, box.low, box.high).astype(np.float64)
    reach = (box.high - box.low).astype(np.float64)
    for step in range(steps):
        whole = np.rint(points).astype(np.int16)
        yield problem.predictor.predict_batch(whole)
        gradients = Gradients(problem.graph, problem.stored(whole))
        (output,) = problem.graph.outputs
        rows = np.zeros((len(whole), 1, classes))
        rows[np.arange(len(whole)), 0, label] = 1
        slope = gradients.to_input(output, rows, 0)[0][:, 0]
        points = points + sign * np.sign(slope) * reach * (1 - step / steps)
        points = np.clip(points, box.low, box.high)


def escapes(name, radius, images, steps, *, linear=True, narrow=0):
    """How many logits met lie outside their bounds, of how many."""
    problem = Problem(MODELS / name / "model.tflite")
    rng = np.random.default_rng(0)
    outside = met = 0
    (output,) = problem.graph.outputs
    for _ in range(images):
        shape = problem.domain.shape
        x = rng.integers(problem.domain.low, problem.domain.high + 1, shape).astype(np.int16)
        box = LinfBall(radius).box(x, problem.domain)
        stack = problem.interval([box])
        every = [propagate(problem.graph, stack)[output]]
        if linear:
            bounds = LinearBounds(problem.graph, stack)
            rows = np.eye(problem.file.classes)
            zero = output.grid.zero_point
            nothing = np.zeros((1, len(rows)), np.int64)
            low = bounds.lower(output, rows[None], nothing) + zero
            high = -bounds.lower(output, -rows[None], nothing) + zero
            every.append(type(every[0])(low, high))
        for logits in extremes(problem, box, steps, rng):
            for interval in every:
                inside = (logits >= interval.low + narrow) & (logits <= interval.high - narrow)
                outside += int((~inside).sum())
                met += logits.size
    return outside, met


@pytest.mark.parametrize("radius", [1, 8])
def test_no_attack_escapes_digits(radius):
    outside, met = escapes("digits", radius, 2, 6)
    assert met > 2000
    assert outside == 0


def test_bounds_that_are_too_narrow_are_escaped():
    """Around a single input bounds are exact; one step less and the input itself is outside."""
    assert escapes("digits", 0, 2, 1)[0] == 0
    assert escapes("digits", 0, 2, 1, narrow=1)[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["cifar10_resnet8_w4a4", "kws_dscnn_w4a8", "cifar10_stq", "kws_stq/adversarial"]
)
@pytest.mark.parametrize("radius", [1, 4])
def test_no_attack_escapes_whole_networks(name, radius):
    outside, met = escapes(name, radius, 2, 6)
    assert met > 1000
    assert outside == 0
