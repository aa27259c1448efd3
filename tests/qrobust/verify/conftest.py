"""A file and data that several tests of proofs share."""

import numpy as np
import pytest

from qrobust.verify.problem import Problem

from .nets import file_of, picture_net


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A file, and data whose labels are the file's own but for every fifth."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "m.tflite").write_bytes(file_of(picture_net(6)))
    rng = np.random.default_rng(0)
    ramps = rng.integers(0, 256, (12, 1, 1, 1)) + rng.integers(-25, 26, (12, 1, 4, 1))
    x = np.clip(ramps + rng.integers(-9, 10, (12, 4, 4, 1)), 0, 255).astype(np.uint8)
    y = Problem(str(folder / "m.tflite")).predictor.labels(x.astype(np.int16))
    y[::5] = (y[::5] + 1) % 3
    np.savez(folder / "d.npz", x=x, y=y)
    return folder
