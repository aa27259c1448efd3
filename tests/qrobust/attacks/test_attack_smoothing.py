"""Certificates of a linear smoothed classifier hold; planted false ones are found."""

from dataclasses import replace
from itertools import product

import keras
import numpy as np
import pytest
from attack_models import linear_model

import qrobust
from qrobust import layers
from qrobust.attacks import (
    Budget,
    KerasTarget,
    PixelGrid,
    SmoothedTarget,
    attack_certificates,
    basic_iterative,
    carlini_wagner,
    deepfool,
    fast_gradient,
    masking_checks,
    momentum_iterative,
    projected_gradient,
    random_search,
)
from qrobust.certify import Certifier
from tflite_export import export

SIGMA = 20


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.GridNoise(SIGMA),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    return qrobust.quantize(model, 4, 8)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(60, 196, (8, 4, 4, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def file(model):
    return export(model).tflite


@pytest.fixture(scope="module")
def certificates(file, images):
    with Certifier(file, sigma=SIGMA, classes=3, seed=0) as certifier:
        return [certifier.certify(x, n=1000, index=i) for i, x in enumerate(images)]


def attack(file, model, images, certificates, **options):
    with Certifier(file, sigma=SIGMA, classes=3, seed=7) as certifier:
        return attack_certificates(
            certifier, KerasTarget(model), images, certificates, steps=8, n=2000, **options
        )


def test_no_certificate_of_a_linear_classifier_breaks(file, model, images, certificates):
    assert any(c.radius >= 1 for c in certificates)
    attacked, broken = attack(file, model, images, certificates)
    assert attacked > 0 and broken == []


def test_false_certificates_are_found(file, model, images, certificates):
    certified = [c for c in certificates if not c.abstained]
    false = [replace(c, radius_q16=400 << 16) for c in certified]
    attacked, broken = attack(file, model, images, false)
    assert attacked == len(false)
    # Not every image has another class within 400 LSB of a grid that ends at 0 and 255.
    assert len(broken) > len(false) / 2
    assert all(0 < b.distance <= 400 and b.found != b.label for b in broken)
    assert str(broken[0]).startswith("broken certificate: image")


def test_verdicts_need_fresh_samples(file, model, images, certificates):
    with Certifier(file, sigma=SIGMA, classes=3, seed=0) as certifier:
        with pytest.raises(ValueError, match="another seed"):
            attack_certificates(certifier, KerasTarget(model), images, certificates)


def test_nothing_certified_is_nothing_to_attack(file, model, images, certificates):
    with pytest.raises(ValueError, match="nothing to attack"):
        attack(file, model, images, [replace(c, radius_q16=0) for c in certificates])


@pytest.mark.parametrize(
    "wrong",
    [{"model_sha256": "0" * 64}, {"sigma": "21"}, {"noise": "laplace"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_certificates_of_another_classifier(wrong, file, model, images, certificates):
    with pytest.raises(ValueError, match=f"has {next(iter(wrong))} "):
        attack(file, model, images, [replace(c, **wrong) for c in certificates])


@pytest.mark.thorough
def test_tight_false_certificates_are_found():
    """Of two classes a linear classifier's smoothed radius is the distance to its boundary."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.GridNoise(10),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    signs = np.resize([1, -1, -1, 1], 16)
    model = qrobust.quantize(model, 4, 8)
    # An eighth is on every grid of four bits; the logits stay off the ends of theirs.
    model.layers[-2].set_weights([np.stack([signs, -signs], axis=1) / 8, np.zeros(2)])
    target = KerasTarget(model)
    x = np.random.default_rng(2).integers(100, 156, (40, 4, 4, 1)).astype(np.uint8)
    sums = x.reshape(40, 16).astype(int) @ signs
    distance = np.abs(sums) / 4  # over the norm of 16 signs, LSB
    chosen = np.flatnonzero((distance > 8) & (distance < 28))[:3]
    assert len(chosen) == 3
    np.testing.assert_array_equal(target.logits(x[chosen]).argmax(axis=1), sums[chosen] < 0)
    content = export(model).tflite
    with Certifier(content, sigma=10, classes=2, seed=0) as certifier:
        true = [certifier.certify(x[i], n=1000, index=int(i)) for i in chosen]
    assert all(not c.abstained and c.radius <= distance[c.index] + 1 for c in true)
    for factor, breaks in ((1.3, True), (0.7, False)):
        planted = [replace(c, radius_q16=int(factor * distance[c.index] * 2**16)) for c in true]
        with Certifier(content, sigma=10, classes=2, seed=7) as certifier:
            attacked, broken = attack_certificates(
                certifier, target, x, planted, steps=10, n=4000, draws=32
            )
        assert attacked == 3 and len(broken) == 3 * breaks


@pytest.mark.parametrize(("loss", "other"), [("cross_entropy", None), ("targeted", [2, 0, 1, 1])])
def test_smoothed_gradients_are_those_of_the_mean(loss, other):
    """The mean over the very noise that was drawn, in NumPy, of a linear model's softmax."""
    import tensorflow as tf

    weights = np.random.default_rng(8).normal(0, 0.02, (16, 3))
    bias = -128 * weights.sum(axis=0)
    smoothed = SmoothedTarget(
        KerasTarget(linear_model(weights, bias)), sigma=SIGMA, draws=64, seed=5
    )
    x, y = np.random.default_rng(9).integers(118, 139, (4, 4, 4, 1)), np.array([0, 1, 2, 0])
    other = None if other is None else np.array(other)
    logits, gradients = smoothed.gradients(x, y, loss, other)

    normal = tf.random.Generator.from_seed(5).normal((256, 4, 4, 1)).numpy()
    noise = np.floor(SIGMA * normal.astype(np.float64) + 0.5)
    assert noise.std() == pytest.approx(SIGMA, rel=0.04)  # of 4096 draws: 3.6 standard errors
    noisy = (np.repeat(x, 64, axis=0) + noise).reshape(256, 16)
    assert 0 <= noisy.min() and noisy.max() <= 255
    shares = np.exp(noisy @ weights + bias)
    shares = (shares / shares.sum(axis=1, keepdims=True)).reshape(4, 64, 3)
    mean = shares.mean(axis=1)
    np.testing.assert_allclose(logits, np.log(mean), atol=1e-4)
    # d log(mean p_c) / dx = mean(p_c (w_c - sum_j p_j w_j)) / mean(p_c)
    inner = shares[..., None] * (weights.T - (shares @ weights.T)[:, :, None])
    slopes = inner.mean(axis=1) / mean[..., None]
    rows = np.arange(4)
    expected = -slopes[rows, y] if other is None else slopes[rows, other] - slopes[rows, y]
    np.testing.assert_allclose(gradients.reshape(4, 16), expected, rtol=2e-3, atol=1e-6)
    assert smoothed.queries == 256


class Coin:
    """A random classifier of [0, 1]: every image has its own share of draws for class 0."""

    name, shape, classes, grid, draws = "coin", (1,), 2, PixelGrid(0, 100), 1

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.queries = 0

    def logits(self, x):
        self.queries += len(x)
        right = self.rng.random(len(x)) < x[:, 0] / 100
        return np.log(np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])).astype(np.float32)


def test_one_unlucky_draw_is_no_fall():
    """Right in 90 of 100 draws: of 60 queries some err, and fresh ones say that it holds."""
    x, y = np.array([[90]] * 10), np.zeros(10, int)
    target = Coin()
    found = random_search(target, x, y, Budget(1), queries=60)
    assert found.fallen.mean() <= 0.1
    assert target.queries == found.queries.sum() > 600  # the confirmations count
    surely = random_search(Coin(), np.array([[12]] * 10), y, Budget(10), queries=30)
    assert surely.fallen.all()


@pytest.mark.ordinary(3)
@pytest.mark.parametrize(
    ("attack", "budget"),
    [
        *product(
            (fast_gradient, basic_iterative, momentum_iterative, projected_gradient),
            ((Budget(60),), (Budget(160, "l2"),)),
        ),
        (carlini_wagner, ()),
        (deepfool, ()),
    ],
)
def test_random_models_are_attacked_like_others(attack, budget, weights, inner):
    x, y = inner
    smoothed = SmoothedTarget(KerasTarget(linear_model(weights)), sigma=4, draws=8)
    options = {"steps": 10} if attack is not fast_gradient else {}
    found = attack(smoothed, x, y, *budget, **options)
    assert found.accuracy < 0.2
    assert smoothed.queries == found.queries.sum()
    assert (found.queries % 8 == 0).all()


def test_random_models_are_checked_for_masks(weights, inner):
    smoothed = SmoothedTarget(KerasTarget(linear_model(weights)), sigma=4, draws=8)
    masking = masking_checks(smoothed, *inner, Budget(60), steps=4, queries=10)
    assert len(masking.checks) == 6 and masking.masked == ()


@pytest.fixture(scope="module")
def inner(weights):
    x = np.random.default_rng(5).integers(90, 166, (10, 4, 4, 1))
    return x, (x.reshape(10, -1) @ weights).argmax(axis=1)


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"sigma": 4.0, "draws": 0}])
def test_useless_smoothing_is_refused(options, model):
    with pytest.raises(ValueError, match="Received"):
        SmoothedTarget(KerasTarget(model), **options)
