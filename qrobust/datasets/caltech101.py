"""Caltech-101 from the publisher's folders of JPEG pictures."""

import hashlib
import os
from pathlib import Path

import numpy as np

from qrobust.datasets._layout import PIXEL, find, need
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.split import Split

_NOT_A_CLASS = "BACKGROUND_Google"


def caltech101(
    folder: str | os.PathLike[str] | None = None,
    *,
    size: int = 96,
    train_per_class: int = 30,
    test_per_class: int = 50,
    seed: int = 0,
) -> Dataset:
    """Pictures of objects in 101 classes, resized to squares.

    Reads `CLASS/*.jpg` in `101_ObjectCategories` (also inside `caltech-101` or `caltech101`) or in
    the folder itself, without BACKGROUND_Google.  Pictures become RGB and are resized to
    `size x size` by Pillow's bilinear filter, whatever their shape.

    Split as usual for this data set: in each class, `train_per_class` pictures to train on and up
    to `test_per_class` others to test on, chosen in the order of SHA-1("seed/class/file"); the test
    part is then mixed, in the order of SHA-1("seed/mixed/class/file").  All depends on names alone,
    not on the machine or on library versions.

    Args:
        folder: Where to look; None as in `data_folder`.
        size: Height and width in pixels.
        train_per_class: Training pictures of each class.
        test_per_class: Most test pictures of each class.
        seed: Chooses the split.

    Returns:
        uint8 `(size, size, 3)` inputs; class names in alphabetical order.

    Raises:
        FileNotFoundError: No folders with JPEG pictures.
        ImportError: Pillow is not installed.
        ValueError: A class with too few pictures, a damaged picture, or a count below 1.

    Source:
        Fei-Fei, Fergus and Perona 2004.
    """
    counts = {"size": size, "train_per_class": train_per_class, "test_per_class": test_per_class}
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"`{name}` has to be at least 1. Received: {name}={value}")
    place = find(
        folder,
        name="Caltech-101",
        subfolders=(
            "101_ObjectCategories",
            "caltech-101/101_ObjectCategories",
            "caltech101/101_ObjectCategories",
        ),
        holds=lambda p: any(p.glob("*/*.jpg")),
        fill="Unpack the publisher's 101_ObjectCategories there (one folder of JPEGs a class).",
    )
    names = sorted({p.parent.name for p in place.glob("*/*.jpg")} - {_NOT_A_CLASS})
    train, test = [], []
    for label, name in enumerate(names):
        paths = sorted((place / name).glob("*.jpg"), key=lambda p: _order(seed, p))
        if len(paths) <= train_per_class:
            raise ValueError(
                f"{place / name} holds {len(paths)} pictures; train_per_class={train_per_class} "
                "leaves none to test on"
            )
        most = train_per_class + test_per_class
        train += [(path, label) for path in paths[:train_per_class]]
        test += [(path, label) for path in paths[train_per_class:most]]
    # Mixed, so that the first examples are a fair sample of the classes; by another hash, because
    # what was taken of a large class has the smallest of its many.
    test.sort(key=lambda entry: _order(f"{seed}/mixed", entry[0]))
    if not names:
        raise ValueError(f"{place} holds no class but {_NOT_A_CLASS}")
    return Dataset(
        name="caltech101",
        train=_load(train, size),
        test=_load(test, size),
        class_names=tuple(names),
        unit=PIXEL,
    )


def _order(seed: int | str, path: Path) -> str:
    text = f"{seed}/{path.parent.name}/{path.name}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _load(files: list[tuple[Path, int]], size: int) -> Split:
    image = need("PIL.Image", package="pillow")
    x = np.empty((len(files), size, size, 3), np.uint8)
    for row, (path, _) in zip(x, files, strict=True):
        try:
            with image.open(path) as picture:
                row[:] = picture.convert("RGB").resize((size, size), image.Resampling.BILINEAR)
        except (OSError, SyntaxError, ValueError) as error:  # Pillow's words for damaged files
            raise ValueError(f"{path} is no readable picture: {error}") from error
    return Split(x, np.array([label for _, label in files]))
