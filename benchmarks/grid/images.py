"""What the grid trains on, and the images that are judged and chose nothing."""

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from qrobust import datasets
from qrobust.datasets import Dataset, Split, data_folder
from qrobust.datasets.speaker_split import speaker_split

#: Part of the rule: of the draw of the images that are judged.
SEED = 1906
#: Training images of CIFAR-10 that other recipes hold out to choose by: nobody trains on them here.
HELD_OUT = 2000


def judged(name: str, folder: str | None, images: int, words: tuple[str, ...] = ()) -> Dataset:
    """A data set whose test part is the images that are judged.

    CIFAR-10: ``default_rng(SEED).permutation`` of the training images that ``hold_out(2000)``
    leaves; the first ones are judged, the rest are trained on. Keywords: of training speakers, in
    the order of SHA-256 of their names, as many as have that many clips; no clip of theirs is
    trained on, and as many as wanted are judged. Digits, for tests: of the test part.
    """
    if name == "cifar10":
        dataset = datasets.hold_out(datasets.cifar10(folder), HELD_OUT)
        order = np.random.default_rng(SEED).permutation(len(dataset.train))
        test, train = _some(dataset.train, order[:images]), _some(dataset.train, order[images:])
        return replace(dataset, train=train, test=test, validation=None)
    if name == "keywords":
        dataset = _speakers_apart(datasets.speech_commands(folder, words), folder, words, images)
        part = dataset.test
    elif name == "digits":
        dataset = datasets.digits(0)
        part = dataset.test
    else:
        raise ValueError(f"the grid knows cifar10, keywords and digits. Received: {name!r}")
    order = np.random.default_rng(SEED).permutation(len(part))
    return replace(dataset, test=_some(part, order[:images]), validation=None)


def _speakers_apart(
    dataset: Dataset, folder: str | None, words: tuple[str, ...], images: int
) -> Dataset:
    """The clips of some training speakers as the test part, and no others of theirs to train on."""
    root = Path(folder or data_folder())
    place = next((p for p in sorted(root.glob("speech_commands*")) if p.is_dir()), root)
    # In the loader's order: word by word, then by name.
    names = [path.name for word in words for path in sorted((place / word).glob("*.wav"))]
    speakers = [name.partition("_")[0] for name in names if speaker_split(name) == "train"]
    if len(speakers) != len(dataset.train):
        raise ValueError(f"{place} has {len(speakers)} training clips, not {len(dataset.train)}")
    count, apart = 0, set()
    for speaker in sorted(set(speakers), key=lambda name: sha256(name.encode()).hexdigest()):
        if count >= images:
            break
        apart.add(speaker)
        count += speakers.count(speaker)
    inside = np.array([speaker in apart for speaker in speakers])
    return replace(
        dataset,
        train=_some(dataset.train, np.flatnonzero(~inside)),
        test=_some(dataset.train, np.flatnonzero(inside)),
    )


def _some(part: Split, indices: Any) -> Split:
    chosen = np.sort(indices)
    return Split(part.x[chosen], part.y[chosen])


def load(folder: str | None) -> Dataset:
    """The data set of the cell that is trained, for a recipe that names ``grid.images:load``."""
    name, images, words = os.environ["QROBUST_GRID"].split("|")
    return judged(name, folder, int(images), tuple(words.split(",")) if words else ())
