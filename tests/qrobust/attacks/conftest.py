import numpy as np
import pytest
from attack_models import DIGITS, linear_model

from qrobust import datasets
from qrobust.attacks import KerasTarget, TFLiteTarget
from qrobust.load_keras import load_keras


@pytest.fixture(scope="session")
def weights():
    """float32[16, 2], integers / 1024: small enough that softmax keeps its gradient, sums exact."""
    return np.random.default_rng(3).integers(-9, 10, (16, 2)).astype(np.float32) / 1024


@pytest.fixture(scope="session")
def linear(weights):
    return KerasTarget(linear_model(weights), name="linear")


@pytest.fixture(scope="session")
def pixels():
    """Two-class images and the labels a linear model of random weights would hardly know."""
    rng = np.random.default_rng(4)
    return rng.integers(0, 256, (200, 4, 4, 1))


@pytest.fixture(scope="session")
def labels(linear, pixels):
    return linear.logits(pixels).argmax(axis=1)


@pytest.fixture(scope="session")
def digits():
    test = datasets.digits().test
    return test.x[:40], test.y[:40]


@pytest.fixture(scope="session")
def digits_model():
    return load_keras(DIGITS / "model.keras")


@pytest.fixture(scope="session")
def digits_file():
    target = TFLiteTarget(DIGITS / "model.tflite")
    yield target
    target.close()
