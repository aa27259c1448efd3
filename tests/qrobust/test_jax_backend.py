"""The layers on Keras's JAX backend, in a process of its own: a process has one backend."""

import importlib.util
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)

TRAIN = """
import keras
import numpy as np
from qrobust import quantize
from qrobust.architectures import digits_cnn
from qrobust.layers import BatchNormalization, Consistency, Distillation
from qrobust.training.apply_defence import defend

assert keras.backend.backend() == "jax"
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
y = rng.integers(0, 2, 64)
x = (rng.integers(0, 128, (64, 8, 8, 1)) + 127 * y[:, None, None, None]).astype("float32")


def fit(model, epochs, teacher=None):
    inputs = keras.Input((8, 8, 1))
    taught = model if teacher is None else Distillation(model, teacher, 1.0)
    noisy = keras.Model(inputs, Consistency(taught, 1.0)(inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    noisy.compile(keras.optimizers.Adam(1e-2), loss)
    return noisy.fit(x, y, batch_size=32, epochs=epochs, verbose=0).history["loss"]


model = defend(digits_cnn(width=4, classes=2), sigma=8.0, seed=0)
norms = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
assert norms
before = np.asarray(norms[0].moving_mean)
losses = fit(model, 4)
assert losses[-1] < losses[0], losses
assert (np.asarray(norms[0].moving_mean) != before).all()
small = quantize(model, 4, 4, calibrate=x)
knows = [np.array(weight) for weight in model.get_weights()]
losses = fit(small, 2, teacher=model)
assert all((a == b).all() for a, b in zip(knows, model.get_weights(), strict=True))
assert np.isfinite(losses).all(), losses
small.save("MODEL")
np.savez("OUTPUTS", x=x, logits=small.predict(x, verbose=0))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jax")
    path, outputs = folder / "model.keras", folder / "outputs.npz"
    code = TRAIN.replace("MODEL", path.as_posix()).replace("OUTPUTS", outputs.as_posix())
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return path, outputs


def test_trains_and_quantizes(trained):
    path, _ = trained
    assert path.exists()


def test_what_jax_trained_is_exported_here(trained):
    import numpy as np

    from qrobust.load_keras import load_keras
    from tflite_export import check_parity, export

    path, saved = trained
    model = load_keras(path)
    given = np.load(saved)
    assert check_parity(model, export(model), given["x"]).is_exact
    # XLA may round a bias to the other side; a network of 1,000 weights has few that are so close.
    here = model.predict(given["x"], verbose=0)
    assert np.mean(here == given["logits"]) > 0.9
