"""Every claim about a ball against the labels of all 65,536 inputs: a million pairs, no Keras.

Two numbers of 256 values each: the whole function of a network is a table of labels, so that the
largest ball in which a label truly holds is known, and each claim inside it checks all its pairs.
"""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from qrobust.verify import last_layer
from qrobust.verify.bounding import shown_by_intervals, shown_by_lines
from qrobust.verify.intervals import Interval
from tflite_export import reference

from .nets import dense_net

RADII = (1, 2, 4, 8, 16, 32)


def every_label(graph):
    """The label of every input, [256, 256]; ties go to the lowest index."""
    grid = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), axis=-1)
    (logits,) = reference.run(graph, grid.reshape(-1, 2) - 128)
    return logits.argmax(axis=1).reshape(256, 256)


def holds(labels, radius):
    """Where the label holds in the whole ball, cut to the grid: bool[256, 256]."""
    size = 2 * radius + 1
    same = minimum_filter(labels, size, mode="nearest") == maximum_filter(
        labels, size, mode="nearest"
    )
    return same & (minimum_filter(labels, size, mode="nearest") == labels)


def claims(graph, points, labels, radius, shown):
    """Which of the points a method proves, bool[n], and the inputs in their balls."""
    low, high = np.maximum(points - radius, 0), np.minimum(points + radius, 255)
    proven = np.zeros(len(points), bool)
    own = labels[points[:, 0], points[:, 1]]
    for label in np.unique(own):
        (which,) = np.nonzero(own == label)
        box = Interval(low[which] - 128, high[which] - 128)
        proven[which] = shown(graph, box, int(label))
    return proven, np.prod(high - low + 1, axis=1)


def by_lines(graph, box, label):
    return shown_by_lines(graph, box, label).proven


def brute(nets, count, *, shown=shown_by_intervals, more=0, **options):
    """False claims, pairs checked, certificates with R >= 1, and points whose label truly holds."""
    false = pairs = certificates = true = 0
    for seed in range(nets):
        graph = dense_net(seed, **options)
        labels = every_label(graph)
        points = np.random.default_rng(seed).integers(0, 256, (count, 2))
        largest = np.zeros(count, int)
        for radius in RADII:
            proven, inside = claims(graph, points, labels, radius, shown)
            kept = holds(labels, radius + more)[points[:, 0], points[:, 1]]
            false += int((proven & ~kept).sum())
            pairs += int(inside[proven].sum())
            true += int(kept.sum())
            largest[proven] = radius
        certificates += int((largest >= 1).sum())
    return false, pairs, certificates, true


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    ("shown", "nets", "count"), [(shown_by_intervals, 10, 300), (by_lines, 4, 40)]
)
@pytest.mark.parametrize("options", [{}, {"shift": 3, "last": 4, "classes": 4}])
def test_no_claim_is_false(shown, nets, count, options):
    false, pairs, certificates, true = brute(nets, count, shown=shown, **options)
    assert false == 0
    assert certificates > nets * count / 20
    assert pairs > 10 * certificates
    assert true >= certificates


def test_no_claim_is_false_in_a_million_pairs():
    false, pairs, certificates, _ = brute(12, 400)
    assert false == 0
    assert pairs >= 1_000_000
    assert certificates >= 1_000


def dropped_ties(monkeypatch):
    def shown(logits, label):
        own = logits.low[:, label, None]
        return (own >= logits.high) | (np.arange(logits.low.shape[1]) == label)

    monkeypatch.setattr(last_layer, "beaten_on_logits", shown)


def no_rounding(monkeypatch):
    def least(last, label):
        return np.where(np.arange(len(last.bias)) < label, 1, 0), last.shift == last.shift[label]

    monkeypatch.setattr(last_layer, "least_difference", least)
    monkeypatch.setattr(
        last_layer, "clamp_allows", lambda last, label, acc: np.ones(acc.low.shape, bool)
    )


@pytest.mark.parametrize("fault", [dropped_ties, no_rounding])
def test_planted_faults_make_false_claims(monkeypatch, fault):
    fault(monkeypatch)
    assert brute(12, 300, shift=3, last=4, classes=4)[0] > 0


def test_a_radius_of_one_more_would_be_wrong():
    """The claims of complete knowledge itself, one LSB wider."""
    false = 0
    for seed in range(6):
        labels = every_label(dense_net(seed))
        for radius in RADII:
            false += int((holds(labels, radius) & ~holds(labels, radius + 1)).sum())
    assert false > 0
    wide = brute(12, 300, more=1)
    assert wide[0] > 0
