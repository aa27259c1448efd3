"""MNIST from the publisher's IDX files or from Keras's archive."""

import gzip
import os
import struct
from math import prod
from pathlib import Path

import numpy as np

from qrobust.certify.run.array_files import MOST_BYTES, read_npz
from qrobust.datasets._layout import PIXEL, find
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.split import Split

_IDX = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def mnist(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """Handwritten digits of 28 x 28 pixels.

    Reads `mnist.npz` (the layout of `keras.datasets.mnist`) or the publisher's four IDX files,
    packed (`.gz`) or not, in `mnist`, `MNIST/raw` or the folder itself.

    Args:
        folder: Where to look; None as in `data_folder`.

    Returns:
        uint8 `(28, 28, 1)` inputs.

    Raises:
        FileNotFoundError: Neither layout is there.
        ValueError: A damaged file, or arrays of another shape.

    Source:
        LeCun, Cortes and Burges 1998.
    """
    place = find(
        folder,
        name="MNIST",
        subfolders=("mnist", "MNIST/raw"),
        holds=lambda p: (p / "mnist.npz").is_file() or _idx_paths(p).keys() == _IDX.keys(),
        fill="Put mnist.npz there, or the four files train/t10k-images/labels-idx*-ubyte(.gz).",
    )
    npz = place / "mnist.npz"
    source = npz if npz.is_file() else place
    arrays = _from_npz(npz) if npz.is_file() else _from_idx(place)
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.dtype != np.uint8 or x.shape[1:] != (28, 28) or y.shape != x.shape[:1]:
            raise ValueError(
                f"{source}: {part} pictures have to be uint8 (N, 28, 28) with N labels. "
                f"Found: {x.dtype} {x.shape} and {y.shape}"
            )
    return Dataset(
        name="mnist",
        train=Split(arrays["x_train"][..., None], arrays["y_train"]),
        test=Split(arrays["x_test"][..., None], arrays["y_test"]),
        class_names=tuple("0123456789"),
        unit=PIXEL,
    )


def _from_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        held, _ = read_npz(path, tuple(_IDX))
        return {name: held[name] for name in _IDX}
    except Exception as error:  # a damaged archive can raise nearly anything
        raise ValueError(f"{path} is no readable MNIST archive: {error}") from error


def _from_idx(place: Path) -> dict[str, np.ndarray]:
    return {name: _read_idx(path) for name, path in _idx_paths(place).items()}


def _idx_paths(place: Path) -> dict[str, Path]:
    """The IDX files that are there; an unpacked file comes before a packed one."""
    candidates = (
        (name, place / (file + end)) for name, file in _IDX.items() for end in (".gz", "")
    )
    return {name: path for name, path in candidates if path.is_file()}


def _read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes: 0, 0, 8, axes, then big-endian sizes, then the bytes."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            start = stream.read(4)
            if start[:3] != b"\x00\x00\x08":
                raise ValueError(f"it starts with {start.hex()}")
            shape = struct.unpack(f">{start[3]}I", stream.read(4 * start[3]))
            size = prod(shape)
            if size > MOST_BYTES:
                raise ValueError(f"it claims {size:,} bytes of the {MOST_BYTES:,} that are read")
            data = stream.read(size + 1)  # a packed file may go on for ever
        if len(data) != size:
            raise ValueError(f"shape {shape} is not what it holds")
        return np.frombuffer(data, np.uint8).reshape(shape)
    except Exception as error:  # a damaged file can raise nearly anything
        raise ValueError(f"{path} is no readable IDX file of bytes: {error}") from error
