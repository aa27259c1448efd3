"""CIFAR-10 from the publisher's pickled batches."""

import os
from pathlib import Path

import numpy as np

from qrobust.datasets._array_pickle import load_array_pickle
from qrobust.datasets._layout import PIXEL, find
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.split import Split

_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def cifar10(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """Pictures of 32 x 32 pixels in ten classes.

    Reads `data_batch_1` to `data_batch_5`, as many of them as there are and of any size, and
    `test_batch`, in `cifar-10-batches-py` or in the folder itself.  The pickles are read without
    running code from them.

    Args:
        folder: Where to look; None as in `data_folder`.

    Returns:
        uint8 `(32, 32, 3)` inputs.

    Raises:
        FileNotFoundError: No training batch or no test batch.
        ValueError: A file that is no CIFAR-10 batch.

    Source:
        Krizhevsky 2009; the archive cifar-10-python.tar.gz.
    """
    place = find(
        folder,
        name="CIFAR-10",
        subfolders=("cifar-10-batches-py",),
        holds=lambda p: (p / "test_batch").is_file() and any(p.glob("data_batch_[1-5]")),
        fill="Unpack the publisher's cifar-10-python.tar.gz there (data_batch_1.., test_batch).",
    )
    batches = [_batch(path) for path in sorted(place.glob("data_batch_[1-5]"))]
    return Dataset(
        name="cifar10",
        train=Split(*(np.concatenate(parts) for parts in zip(*batches, strict=True))),
        test=Split(*_batch(place / "test_batch")),
        class_names=_NAMES,
        unit=PIXEL,
    )


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 32, 32, 3) uint8 and labels (N,) of one file."""
    content = load_array_pickle(path)
    try:
        data, labels = content[b"data"], np.asarray(content[b"labels"])
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{path} is no CIFAR-10 batch: `data` and `labels` expected") from error
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
        found = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data)
        raise ValueError(f"{path}: `data` has to be uint8 (N, 3072). Found: {found}")
    if labels.shape != data.shape[:1] or labels.dtype.kind not in "iu" or labels.size == 0:
        raise ValueError(
            f"{path}: `labels` have to be {len(data)} integers, at least one. "
            f"Found: {labels.dtype} {labels.shape}"
        )
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"{path}: labels run from {labels.min()} to {labels.max()}, not 0 to 9")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
