"""Folding the last layer: sound with its rounding and its clamp in mind, by brute force."""

from dataclasses import replace

import numpy as np
import pytest

from qrobust.verify import last_layer
from qrobust.verify.intervals import Interval, propagate, requantized
from qrobust.verify.last_layer import beaten, beaten_on_logits, last_connected
from tflite_export import reference
from tflite_export.graph import FullyConnected, IntegerGraph, Tensor
from tflite_export.grid import Grid


def layer(rng, shift, classes=4, inputs=3, largest=30):
    x = Tensor("x", (inputs,), Grid.pixels())
    grid = Grid.signed(8, 0)
    dense = FullyConnected(
        inputs=(x,),
        output=Tensor("logits", (classes,), grid),
        # Classes have much in common: what their difference forgets and their bounds do not.
        weights=rng.integers(-largest, largest + 1, inputs)
        + rng.integers(-4, 5, (classes, inputs)),
        bias=rng.integers(-300, 301, classes),
        weight_exponents=np.broadcast_to(-np.asarray(shift), (classes,)).copy(),
    )
    return IntegerGraph("last", (x,), (dense.output,), (dense,))


def brute(trials, shifts, seed, largest=30):
    """Claims made, claims that are false, and claims that the logits' own bounds do not make."""
    rng = np.random.default_rng(seed)
    claims = false = more = 0
    for _ in range(trials):
        graph = layer(rng, shifts(rng), largest=largest)
        low = rng.integers(-128, 120, (1, 3))
        box = Interval(low, np.minimum(low + rng.integers(0, 5, (1, 3)), 127))
        widths = (box.high - box.low)[0] + 1
        points = low + np.stack(np.unravel_index(np.arange(widths.prod()), widths), axis=1)
        (logits,) = reference.run(graph, points)
        label = int(np.argmax(reference.run(graph, low)[0]))
        intervals = propagate(graph, box)
        shown = beaten(graph, intervals, label)[0]
        plain = beaten_on_logits(intervals[graph.outputs[0]], label)[0]
        c = np.arange(4)
        own = logits[:, label, None]
        truly = np.where(c < label, own > logits, own >= logits).all(axis=0) | (c == label)
        assert (shown >= plain).all()
        claims += int(shown.sum()) - 1
        false += int((shown & ~truly).sum())
        more += int((shown & ~plain).sum())
    return claims, false, more


SHIFTS = {
    "rounding": lambda rng: int(rng.integers(4, 8)),
    "saturating": lambda rng: int(rng.integers(-1, 3)),
    "mixed": lambda rng: rng.integers(3, 7, 4),
}


@pytest.mark.parametrize("kind", SHIFTS)
def test_no_claim_is_false(kind):
    claims, false, more = brute(400, SHIFTS[kind], 0)
    assert false == 0
    assert claims > 200
    assert more > {"rounding": 20, "mixed": 10, "saturating": 0}[kind]


def planted_rounding(monkeypatch):
    def least(last, label):
        return np.where(np.arange(len(last.bias)) < label, 1, 0), last.shift == last.shift[label]

    monkeypatch.setattr(last_layer, "least_difference", least)


def planted_clamp(monkeypatch):
    monkeypatch.setattr(
        last_layer, "clamp_allows", lambda last, label, acc: np.ones(acc.low.shape, bool)
    )


def planted_ties(monkeypatch):
    def least(last, label):
        return np.zeros(len(last.bias), np.int64), last.shift == last.shift[label]

    monkeypatch.setattr(last_layer, "least_difference", least)


def planted_steps(monkeypatch):
    def least(last, label):
        classes = np.arange(len(last.bias))
        least = np.where(classes < label, 1 << np.maximum(last.shift, 0), 0)
        return least, np.ones(len(classes), bool)

    monkeypatch.setattr(last_layer, "on_common_step", lambda last: last)
    monkeypatch.setattr(last_layer, "least_difference", least)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (planted_rounding, "rounding"),
        (planted_ties, "rounding"),
        (planted_clamp, "saturating"),
        (planted_steps, "mixed"),
    ],
)
def test_planted_faults_make_false_claims(monkeypatch, fault, kind):
    fault(monkeypatch)
    assert brute(400, SHIFTS[kind], 0)[1] > 0


def test_the_pairs_of_the_design():
    """40 and 45 at k = 4 both round to 3; 5,000 and 9,000 both to 127."""
    graph = layer(np.random.default_rng(0), 4, classes=2)
    (dense,) = graph.operators
    for bias in ((40, 45), (5_000, 9_000)):
        fixed = replace(
            dense, weights=np.zeros((2, 3), np.int64), bias=np.array(bias),
            output=dense.output, weight_exponents=np.array([-4, -4]),
        )  # fmt: skip
        one = IntegerGraph("pair", graph.inputs, (fixed.output,), (fixed,))
        point = np.zeros((1, 3), np.int64)
        (logits,) = reference.run(one, point)
        assert logits[0, 0] == logits[0, 1]
        assert not beaten(one, propagate(one, Interval(point, point)), 1)[0, 0]


def test_only_a_last_layer_of_vectors_is_folded():
    graph = layer(np.random.default_rng(0), 4)
    assert last_connected(graph) is graph.operators[0]
    assert last_connected(IntegerGraph("none", graph.inputs, graph.inputs, ())) is None


def test_one_step_for_all_classes_is_the_same_function():
    rng = np.random.default_rng(0)
    for _ in range(50):
        graph = layer(rng, rng.integers(-2, 8, 4))
        common = last_connected(graph)
        assert len(set(common.shift.tolist())) == 1
        x = rng.integers(-128, 128, (40, 3))
        same = requantized(common, reference.accumulate(common, x))
        np.testing.assert_array_equal(reference.run(graph, x)[0], same)


def test_steps_too_far_apart_are_left_alone():
    graph = layer(np.random.default_rng(0), np.array([0, 20, 3, 3]))
    assert last_connected(graph) is graph.operators[0]
