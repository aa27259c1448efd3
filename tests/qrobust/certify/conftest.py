import numpy as np
import pytest

from qrobust.certify.run.data import make_data

from .tiny_models import linear


@pytest.fixture(scope="session")
def weights():
    """int8[3, 20], rows of mean about 0 so that noise of 30 LSB changes many labels."""
    drawn = np.random.default_rng(5).integers(-4, 5, (3, 20))
    return drawn - np.round(drawn.mean(axis=1, keepdims=True)).astype(int)


@pytest.fixture(scope="session")
def classifier(weights):
    """Three classes over 5 x 4 pixels 0..255: sat(floor(weights @ x / 8 + 1/2))."""
    return linear(weights, shape=(5, 4, 1), output_shift=3)


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(4).integers(64, 192, (12, 5, 4, 1)).astype(np.uint8)


@pytest.fixture(scope="session")
def data(images):
    return make_data(images, np.arange(12) % 3)
