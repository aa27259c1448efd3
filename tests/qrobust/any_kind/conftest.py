"""A folder with inputs of every kind, in which every test here is."""

import sys

import numpy as np
import pytest
from own_inputs import CLASSES, CODE, PICTURES, RNG, with_spec, write_all, write_clip
from PIL import Image

from tests.qrobust.certify.tiny_models import linear


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("inputs")
    write_all(
        place,
        "pictures",
        ".png",
        lambda path, number: Image.fromarray(PICTURES[number, ..., 0]).save(path),
    )
    write_all(place, "sounds", ".wav", write_clip)
    np.savez(place / "pictures.npz", x=PICTURES, y=CLASSES)
    np.save(place / "pictures.npy", PICTURES)
    (place / "inputs_of_mine.py").write_text(CODE)
    weights = RNG.integers(-3, 4, (2, 20))
    model = linear(weights - weights.mean(axis=0).round().astype(int), shape=(5, 4, 1))
    (place / "pictures.tflite").write_bytes(with_spec(model))
    weights = RNG.integers(-3, 4, (2, 490))
    model = linear(weights, shape=(49, 10, 1), zero_point=0, scale=0.5, output_shift=3)
    (place / "sounds.tflite").write_bytes(with_spec(model))
    return place


@pytest.fixture(autouse=True)
def inside(place, tmp_path, monkeypatch):
    """Every test reads in one folder and writes into one of its own, which it calls ``out``."""
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    yield
    sys.modules.pop("inputs_of_mine", None)
