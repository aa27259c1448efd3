"""Against classifiers whose exact robust radius is known."""

from itertools import product

import numpy as np
import pytest

from qrobust.certify import Certifier

from .tiny_models import linear, threshold_model


@pytest.mark.parametrize("sigma", ["0.8", "5", "20"])
def test_threshold_classifier(sigma):
    # g(x) = [x0 > t - 1/2] for the continuous shift: the exact radius is |x0 - t + 1/2|.
    with Certifier(threshold_model(128), sigma=sigma, classes=2, seed=3, threads=2) as certifier:
        for index in range(60):
            distance = index - 30
            x = np.array([128 + distance, 0, 255, 7])
            certificate = certifier.certify(x, n=400, alpha="0.0001", index=index)
            if not certificate.abstained:
                assert certificate.label == (0 if distance >= 0 else 1)
                assert certificate.radius <= abs(distance + 0.5)


def test_linear_classifier():
    # Noise far from the grid's edge, symmetric: g(x) is the sign of the margin w . x - c, and
    # the exact radius is the shortest integer shift that turns it.
    w = np.array([2, -1, 3])
    centre = np.full(3, 128)
    offset = int(w @ centre)
    shifts = np.array(list(product(range(-6, 7), repeat=3)))
    norms = np.linalg.norm(shifts, axis=1)
    model = linear([w, -w], bias=[-offset, offset])
    claimed = 0
    with Certifier(model, sigma=3, classes=2, seed=5, threads=2) as certifier:
        for index, d in enumerate(product(range(-2, 3), repeat=3)):
            margin = int(w @ np.array(d))
            if margin == 0:
                continue
            turned = (shifts @ w + margin) * np.sign(margin) <= 0
            exact = norms[turned].min()
            certificate = certifier.certify(centre + d, n=300, alpha="0.0001", index=index)
            if not certificate.abstained:
                claimed += 1
                assert certificate.label == (0 if margin > 0 else 1)
                assert certificate.radius <= exact
    assert claimed > 50
