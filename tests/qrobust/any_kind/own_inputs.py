"""Pictures and sounds of one's own in every form, and small networks that take them."""

import json
import wave

import numpy as np

from qrobust import cli
from qrobust.audio import fit_clip, mfcc, quantize_features
from qrobust.certify import SmoothingSpec, attach_spec

RNG = np.random.default_rng(7)
PICTURES = RNG.integers(60, 200, (4, 5, 4, 1)).astype(np.uint8)
CLIPS = RNG.integers(-9000, 9000, (4, 15_000)).astype("<i2")
CLASSES = [0, 1, 0, 1]
NAMES = ("cat", "dog")
# In the order of folders of classes: cat before dog.
SORTED = [0, 2, 1, 3]

CODE = """
import numpy as np
def pictures():
    with np.load("pictures.npz") as held:
        return held["x"], held["y"]
def network():
    import keras
    return keras.models.load_model("pictures.keras")
def nothing():
    return {}
"""


def write_all(place, name, ending, write):
    """A single file, a folder, a folder of classes and a table of one kind of input."""
    for number, label in enumerate(CLASSES):
        for folder in (place / name, place / f"{name}_classes" / NAMES[label]):
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / f"{number}{ending}", number)
    rows = [f"{name}/{i}{ending},{NAMES[label]}" for i, label in enumerate(CLASSES)]
    (place / f"{name}.csv").write_text("\n".join(["path,label", *rows]))


def write_clip(path, number):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(CLIPS[number].tobytes())


def with_spec(model):
    return attach_spec(model, SmoothingSpec.for_model(model, sigma=8, labels=NAMES))


def features():
    clips = np.stack([fit_clip(clip) for clip in CLIPS])
    return quantize_features(mfcc(clips)).reshape(-1, 49, 10, 1)


FAMILY = {"pictures": "light:2", "sounds": "gain:1"}


def run(*words):
    assert cli.main([str(word) for word in words]) == 0


def journal(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "chain")} for line in lines]
