"""Against classifiers whose exact robust radius is known; the benchmark of that name, in small."""

from fractions import Fraction
from itertools import product

import linear_laws
import numpy as np
import pytest
import soundness

from qrobust.certify import Certifier
from qrobust.certify.methods.settings import CLOPPER_PEARSON, CONFIDENCE_SEQUENCE, SAMPLING

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


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("method", SAMPLING)
def test_certificates_lie_no_more_often_than_alpha(method):
    rows = soundness.honest(method, 2, 400, seed=1)
    stopped = ["exact law, stopped at the worst moment"] * (method == CONFIDENCE_SEQUENCE)
    assert [row["votes of"] for row in rows] == ["streams", "exact law", *stopped]
    assert not any(row["refuted"] for row in rows)
    assert all(row["violations"] <= row["unlicensed"] <= row["certified"] for row in rows)


@pytest.mark.thorough
def test_planted_mistakes_are_found():
    rows = soundness.mistakes(CLOPPER_PEARSON, 2, 3000, seed=1)
    assert {row["mistake"]: row["refuted"] for row in rows} == dict.fromkeys(
        soundness.MISTAKES, True
    )


@pytest.mark.parametrize("sigma", [20, 64])
@pytest.mark.parametrize("x", [(0, 0), (5, -7), (-128, 127), (120, -60)])
def test_the_law_in_floats_is_that_in_integers_and_draw_by_draw(sigma, x):
    network = linear_laws.Network((7, 11), 90, -40)
    p, _ = linear_laws.grid(network, Fraction(sigma))
    exact = linear_laws.exact(network, Fraction(sigma), x)
    assert sum(exact) == 1 << 192
    floats = p[x[0] + 128, x[1] + 128]
    np.testing.assert_allclose(floats, [float(Fraction(e, 1 << 192)) for e in exact], atol=1e-12)
    rng = np.random.default_rng(0)
    noisy = np.clip(np.rint(rng.normal(0, sigma, (20_000, 2))) + x, -128, 127).astype(np.int8)
    shares = np.bincount(network.labels(noisy), minlength=3) / 20_000
    np.testing.assert_allclose(shares, floats, atol=5 * 0.5 / 20_000**0.5)


def test_the_law_of_a_crowd_is_a_convolution():
    network = linear_laws.Network((1,) * 5, -30, -60)
    crowd = linear_laws.Crowd(network, Fraction(64), value=100)
    law = np.ones(1)
    for value in crowd.x(7):
        law = np.convolve(law, linear_laws.masses(Fraction(64))[value + 128])
    scores = np.arange(len(law)) - 5 * 128
    expected = [law[scores >= -30].sum(), law[scores < -60].sum()]
    np.testing.assert_allclose(crowd.p(7)[:2], expected, atol=1e-12)
