"""Street View House Numbers, cropped digits, from the publisher's .mat files."""

import os
from pathlib import Path

import numpy as np

from qrobust.datasets._layout import PIXEL, find, need
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.split import Split

_FILES = ("train_32x32.mat", "test_32x32.mat")


def svhn(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """House number digits of 32 x 32 pixels ("format 2"); the publisher's label 10 becomes 0.

    Reads `train_32x32.mat` and `test_32x32.mat` in `svhn` or in the folder itself; the extra part
    is not read.

    Args:
        folder: Where to look; None as in `data_folder`.

    Returns:
        uint8 `(32, 32, 3)` inputs.

    Raises:
        FileNotFoundError: One of the two files is missing.
        ImportError: SciPy is not installed.
        ValueError: A damaged file, or arrays of another shape.

    Source:
        Netzer et al. 2011.
    """
    place = find(
        folder,
        name="SVHN",
        subfolders=("svhn", "SVHN"),
        holds=lambda p: all((p / name).is_file() for name in _FILES),
        fill=f"Put the publisher's {_FILES[0]} and {_FILES[1]} there.",
    )
    train, test = (_part(place / name) for name in _FILES)
    return Dataset(name="svhn", train=train, test=test, class_names=tuple("0123456789"), unit=PIXEL)


def _part(path: Path) -> Split:
    io = need("scipy.io", package="scipy")
    try:
        content = io.loadmat(path, variable_names=("X", "y"))
        x, y = content["X"], content["y"].ravel()
    except Exception as error:  # a damaged file can raise nearly anything
        raise ValueError(f"{path} is no readable SVHN file: {error}") from error
    if x.dtype != np.uint8 or x.shape[:3] != (32, 32, 3) or x.shape[3:] != y.shape:
        raise ValueError(
            f"{path}: X has to be uint8 (32, 32, 3, N) with N labels y. "
            f"Found: {x.dtype} {x.shape} and {y.shape}"
        )
    if y.size == 0 or y.min() < 1 or y.max() > 10:
        raise ValueError(f"{path}: labels have to be 1..10. Found: {np.unique(y).tolist()}")
    return Split(np.ascontiguousarray(np.moveaxis(x, 3, 0)), y.astype(np.int64) % 10)
