"""Data to certify: arrays ``x`` and, where known, ``y`` from an ``.npz`` file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.array_files import Seen, described, read_npz
from tflite_export.printable import printable


@dataclass(frozen=True)
class Data:
    """Inputs and labels.

    Attributes:
        x: (images, *shape), grid integers or floats to be quantized.
        y: int64[images], true classes, or None.
        images: how many there are; None for all of ``x``, which may hold the first ones only.
        digest: of all of them, where ``x`` holds the first ones only.
    """

    x: NDArray[Any]
    y: NDArray[np.int64] | None = None
    images: int | None = None
    digest: str | None = None

    def __len__(self) -> int:
        return len(self.x) if self.images is None else self.images

    @cached_property
    def sha256(self) -> str:
        """Digest of dtypes, shapes and values; the file's compression does not matter."""
        if self.digest is not None:
            return self.digest
        digest = hashlib.sha256()
        for array in (self.x, self.y):
            if array is not None:
                _digest(array, digest.update)
        return digest.hexdigest()

    def label(self, index: int) -> int | None:
        """True class of an image, or None."""
        return None if self.y is None else int(self.y[index])


def make_data(
    x: NDArray[Any],
    y: NDArray[Any] | None = None,
    *,
    where: str = "the data",
    images: int | None = None,
) -> Data:
    """Check arrays and return them as `Data`; raise `CertifyError` where they are bad.

    Args:
        x: the inputs, or the first of them.
        y: classes of all of them.
        where: they are from, for the message.
        images: how many there are, where ``x`` holds the first ones only.
    """
    if x.ndim < 2 or not len(x):
        raise CertifyError(f"{where}: x must be (images, ...), received shape {x.shape}")
    if x.dtype.kind not in "iuf":
        raise CertifyError(f"{where}: x must hold integers or floats, received {x.dtype}")
    if y is None:
        return Data(x, images=images)
    count = len(x) if images is None else images
    if y.shape != (count,) or y.dtype.kind not in "iu":
        raise CertifyError(
            f"{where}: y must be {count} integers, received {y.dtype} of shape {y.shape}"
        )
    if y.min() < 0:
        raise CertifyError(
            f"{where}: y holds {int(y.min())}; classes count from 0. Leave y out where they are "
            "unknown"
        )
    return Data(x, y.astype(np.int64), images)


def load_data(path: str | os.PathLike[str], *, rows: int | None = None) -> Data:
    """Read ``x`` and ``y`` from an ``.npz`` file; nothing in it is ever executed.

    What the file claims (sizes, shapes) is compared with what it holds before memory is taken; it
    may unpack to 512 MiB, or to eight times its own size.

    Args:
        path: of the file.
        rows: inputs that are needed, the first ones: only they stay in memory. Length, labels and
            digest are those of the whole file all the same.

    Raises:
        CertifyError: the file cannot be read, is no ``.npz``, or holds no good ``x``.
    """
    where = printable(os.fspath(path))
    digest = hashlib.sha256()
    found, images = read_npz(
        path, ("x", "y"), rows=rows, seen=None if rows is None else digest.update
    )
    data = make_data(
        found["x"], found.get("y"), where=where, images=None if rows is None else images
    )
    if rows is None:
        return data
    if data.y is not None:
        _digest(data.y, digest.update)
    return replace(data, digest=digest.hexdigest())


def _digest(array: NDArray[Any], update: Seen) -> None:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    update(described(little.dtype, little.shape))
    update(np.ascontiguousarray(little).data)
