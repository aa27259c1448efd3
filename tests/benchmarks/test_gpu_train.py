"""The smallest run of the GPU training, on a processor."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_train.py"
STAGES = ("large_float", "large_w4a8", "small_float", "small_w4a4")
MODULES = ("jax", "optax", "optree")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in MODULES),
        reason=f"needs {', '.join(MODULES)}",
    ),
]


def run(folder, seconds):
    options = ["--held", "20", "--batch", "8"]
    options += ["--scale", "0.1", "--slowest", "600", "--reserve", "0", "--seconds", "10000"]
    options += ["--budget", *(f"{name}={seconds}" for name in STAGES)]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(SCRIPT), str(folder / "pictures.npz"), str(folder / "out")]
    done = subprocess.run(
        command + options, env=environment, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "out" / "log.json").read_text())


def test_trains_and_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 32, 32, 3)).astype(np.uint8)
    np.savez(tmp_path / "pictures.npz", x=x, y=rng.integers(0, 10, 60))
    log = run(tmp_path, 1)
    compiled = [event["frozen"] for event in log["events"] if event.get("event") == "compiled"]
    assert compiled == [False, False, True] * 2
    epochs = {name: stage["epochs"] for name, stage in log["stages"].items()}
    assert set(epochs) == set(STAGES)
    assert min(epochs.values()) >= 1
    for name in epochs:
        assert (tmp_path / "out" / f"{name}.keras").exists()
    # What is done stays as it is.
    again = run(tmp_path, 1)
    assert {name: stage["epochs"] for name, stage in again["stages"].items()} == epochs
