"""Bundles of small linear files, and what they answer, written down once more."""

import numpy as np

from qrobust.certify.arithmetic.streams import raw_words
from qrobust.certify.file.bundle import ADAPTIVE, CONSENSUS, DRAW, Bundle

from .tiny_models import linear

SHAPE = (5, 4, 1)


def weights_of(seed):
    drawn = np.random.default_rng(seed).integers(-4, 5, (3, 20))
    return drawn - np.round(drawn.mean(axis=1, keepdims=True)).astype(int)


MATRICES = [weights_of(seed) for seed in (5, 6, 7)]
#: Files for machines; the matrices are for the tests.
MEMBERS = tuple(linear(w, shape=SHAPE, output_shift=3) for w in MATRICES)
BUNDLES = {
    DRAW: Bundle(DRAW, MEMBERS, (1, 2, 1)),
    ADAPTIVE: Bundle(ADAPTIVE, MEMBERS, (3, 2, 1), thresholds=(500, 640)),
    CONSENSUS: Bundle(CONSENSUS, MEMBERS, (1, 1, 1), first=2),
}


def constant(label, classes=2, coordinates=4):
    """A file that answers one class for every input."""
    bias = np.zeros(classes, int)
    bias[label] = 5
    return linear(np.zeros((classes, coordinates), int), bias=bias)


def logits(number, rows):
    """int64[rows, classes] of a member for grid integers."""
    flat = np.asarray(rows, np.int64).reshape(len(rows), -1)
    return np.clip((flat @ MATRICES[number].T + 4) >> 3, -128, 127)


def expected(bundle, rows, key=None, purpose=None, first=0):
    """Labels of copies ``first``, ``first + 1``, ..., and how many members each took."""
    labels, asked = [], []
    for i, row in enumerate(np.asarray(rows)):
        q = [logits(k, row[None])[0] for k in range(3)]
        if bundle.rule == DRAW:
            word = int(raw_words(key, 4 + purpose, first + i, 1)[0])
            ticket = word * sum(bundle.weights) >> 64
            k = next(k for k in range(3) if ticket < sum(bundle.weights[: k + 1]))
            labels.append(int(np.argmax(q[k])))
            asked.append(1)
            continue
        sums = np.cumsum([w * part for w, part in zip(bundle.weights, q, strict=True)], axis=0)
        if bundle.rule == ADAPTIVE:
            stops = [
                k
                for k, least in enumerate(bundle.thresholds)
                if np.sort(sums[k])[-1] - np.sort(sums[k])[-2] >= least
            ]
            k = stops[0] if stops else 2
            labels.append(int(np.argmax(sums[k])))
            asked.append(k + 1)
            continue
        own = [int(np.argmax(part)) for part in q]
        agreed = len(set(own[: bundle.first])) == 1
        labels.append(own[0] if agreed else int(np.argmax(sums[-1])))
        asked.append(bundle.first if agreed else 3)
    return labels, asked
