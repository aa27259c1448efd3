"""The loss on the GPU is the loss of `qrobust.layers.Consistency`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("jax", "optax", "optree")

#: Both losses on random logits; the layer draws nothing, but says that it could.
CHILD = """
import keras
import numpy as np
from gpu.program import COPIES, smoothed_loss
from qrobust.layers import Consistency

class Told(keras.layers.Layer):
    def __init__(self, logits):
        super().__init__()
        self.logits, self.draws = logits, keras.random.SeedGenerator(0)

    def call(self, inputs, training=False):
        return keras.ops.convert_to_tensor(self.logits) + 0 * keras.ops.sum(inputs)

rng = np.random.default_rng(0)
for weight, entropy in ((12.0, 0.5), (0.5, 0.0), (20.0, 3.0)):
    logits = rng.normal(0, 4, (COPIES * 16, 10)).astype(np.float32)
    y = rng.integers(0, 10, 16)
    model = keras.Sequential([keras.Input((3,)), Told(logits)])
    layer = Consistency(model, weight, entropy=entropy, copies=COPIES)
    scores = layer(np.zeros((16, 3), np.float32), training=True)
    ours = keras.losses.sparse_categorical_crossentropy(y, scores, from_logits=True)
    layers = float(keras.ops.mean(ours)) + float(sum(layer.losses))
    gpus = float(smoothed_loss(logits, np.eye(10, dtype=np.float32)[y], weight, entropy))
    other = float(smoothed_loss(logits, np.eye(10, dtype=np.float32)[y], weight, entropy + 0.1))
    np.testing.assert_allclose(gpus, layers, rtol=1e-5)
    assert abs(other - layers) > 1e-3
print("equal")
"""


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in MODULES),
    reason=f"needs {', '.join(MODULES)}",
)
def test_the_loss_is_that_of_the_layer():
    paths = os.pathsep.join((str(ROOT), str(ROOT / "benchmarks")))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**environment, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stdout.split() == ["equal"], done.stderr[-3000:]
