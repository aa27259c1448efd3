"""Data to certify: arrays ``x`` and, where known, ``y`` from an ``.npz`` file."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError


@dataclass(frozen=True)
class Data:
    """Inputs and labels.

    Attributes:
        x: (images, *shape), grid integers or floats to be quantized.
        y: int64[images], true classes, or None.
    """

    x: NDArray[Any]
    y: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def sha256(self) -> str:
        """Digest of dtypes, shapes and values; the file's compression does not matter."""
        digest = hashlib.sha256()
        for array in (self.x, self.y):
            if array is not None:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                digest.update(f"{little.dtype.str}{little.shape}".encode())
                digest.update(np.ascontiguousarray(little).data)
        return digest.hexdigest()

    def label(self, index: int) -> int | None:
        """True class of an image, or None."""
        return None if self.y is None else int(self.y[index])


def make_data(x: NDArray[Any], y: NDArray[Any] | None = None, *, where: str = "the data") -> Data:
    """Check arrays and return them as `Data`; raise `CertifyError` where they are bad."""
    if x.ndim < 2 or not len(x):
        raise CertifyError(f"{where}: x must be (images, ...), received shape {x.shape}")
    if x.dtype.kind not in "iuf":
        raise CertifyError(f"{where}: x must hold integers or floats, received {x.dtype}")
    if y is None:
        return Data(x)
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise CertifyError(
            f"{where}: y must be {len(x)} integers, received {y.dtype} of shape {y.shape}"
        )
    return Data(x, y.astype(np.int64))


def load_data(path: str | os.PathLike[str]) -> Data:
    """Read ``x`` and ``y`` from an ``.npz`` file; nothing in it is ever executed.

    Raises:
        CertifyError: the file cannot be read, is no ``.npz``, or holds no good ``x``.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as stream:
            # Given a stream, NumPy leaves closing it to us, also when the file is no good.
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise CertifyError(f"{name} holds a single array; save with np.savez(x=..., y=...)")
            with file:
                if "x" not in file:
                    raise CertifyError(f"{name} holds {', '.join(file) or 'nothing'}; it needs x")
                x, y = file["x"], file["y"] if "y" in file else None
    except CertifyError:
        raise
    except OSError as error:
        raise CertifyError(f"cannot read the data {name}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CertifyError(f"{name} is no readable .npz file: {reason}") from None
    return make_data(x, y, where=name)
