"""Certificates of a linear smoothed classifier hold; planted false ones are found."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import qrobust
from qrobust import layers
from qrobust.attacks import KerasTarget, SmoothedTarget, attack_certificates
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
    with Certifier(file, sigma=SIGMA, seed=0) as certifier:
        return [certifier.certify(x, n=1000, index=i) for i, x in enumerate(images)]


def attack(file, model, images, certificates, **options):
    with Certifier(file, sigma=SIGMA, seed=7) as certifier:
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
    with Certifier(file, sigma=SIGMA, seed=0) as certifier:
        with pytest.raises(ValueError, match="another seed"):
            attack_certificates(certifier, KerasTarget(model), images, certificates)


def test_nothing_certified_is_nothing_to_attack(file, model, images, certificates):
    with pytest.raises(ValueError, match="nothing to attack"):
        attack(file, model, images, [replace(c, radius_q16=0) for c in certificates])


def test_smoothed_gradients_are_those_of_the_mean(model):
    """On a linear model of two classes the mean is known: the gradient keeps its direction."""
    smoothed = SmoothedTarget(KerasTarget(model), sigma=SIGMA, draws=64, seed=1)
    x = np.full((2, 4, 4, 1), 128.0)
    logits, gradients = smoothed.gradients(x, np.array([0, 0]), "margin")
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=1e-5)
    assert gradients.shape == x.shape and np.isfinite(gradients).all()
    assert smoothed.queries == 128
    again = SmoothedTarget(KerasTarget(model), sigma=SIGMA, draws=64, seed=1)
    np.testing.assert_array_equal(again.gradients(x, np.array([0, 0]), "margin")[0], logits)


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"sigma": 4.0, "draws": 0}])
def test_useless_smoothing_is_refused(options, model):
    with pytest.raises(ValueError, match="Received"):
        SmoothedTarget(KerasTarget(model), **options)
