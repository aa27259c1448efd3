"""Data to certify: arrays ``x`` and, where known, ``y`` from an ``.npz`` file."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as format_
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from tflite_export.printable import one_line, printable

#: How a bare ``.npy`` begins.
_ARRAY = b"\x93NUMPY"
#: Bytes that one byte of DEFLATE can stand for.
_DEFLATE_RATIO = 1032
_HEADERS = {(1, 0): format_.read_array_header_1_0, (2, 0): format_.read_array_header_2_0}


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
    if y.min() < 0:
        raise CertifyError(
            f"{where}: y holds {int(y.min())}; classes count from 0. Leave y out where they are "
            "unknown"
        )
    return Data(x, y.astype(np.int64))


def load_data(path: str | os.PathLike[str]) -> Data:
    """Read ``x`` and ``y`` from an ``.npz`` file; nothing in it is ever executed.

    What the file claims (sizes, shapes) is compared with what it holds before memory is taken.

    Raises:
        CertifyError: the file cannot be read, is no ``.npz``, or holds no good ``x``.
    """
    name = os.fspath(path)
    shown = printable(name)
    try:
        with open(path, "rb") as file:
            # An archive is read from its end, which a pipe does not have.
            stream = file if file.seekable() else io.BytesIO(file.read())
            if stream.read(len(_ARRAY)) == _ARRAY:
                raise CertifyError(
                    f"{shown} holds a single array; save with np.savez(x=..., y=...)"
                )
            with zipfile.ZipFile(stream) as archive:
                members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                if "x" not in members:
                    held = printable(", ".join(members)) or "nothing"
                    raise CertifyError(f"{shown} holds {held}; it needs x")
                x, y = (
                    _read_array(archive, members[key]) if key in members else None
                    for key in ("x", "y")
                )
    except CertifyError:
        raise
    except OSError as error:
        raise CertifyError(f"cannot read the data {shown}: {error.strerror or error}") from None
    except Exception as error:  # a damaged archive breaks wherever it is met
        raise CertifyError(f"{shown} is no readable .npz file: {one_line(error)}") from None
    if x is None:
        raise CertifyError(f"{shown} holds no x")
    return make_data(x, y, where=shown)


def check_header(stream: IO[bytes], held: int) -> None:
    """Raise an error where an array's header cannot be true of the ``held`` bytes it is part of."""
    header = _HEADERS.get(format_.read_magic(stream))
    if header is None:
        raise ValueError("an array's format is unknown; save with np.savez")
    shape, _, dtype = header(stream)
    size = prod(shape) * dtype.itemsize
    if not dtype.itemsize or min(shape, default=0) < 0 or size != held - stream.tell():
        raise ValueError(f"an array of shape {shape} and {dtype} does not fit its size")


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Return one array; `ValueError` where its header or its size in the archive cannot be true."""
    most = member.compress_size
    if member.compress_type == zipfile.ZIP_DEFLATED:
        most = most * _DEFLATE_RATIO + 64
    elif member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("arrays in it are compressed as NumPy does not; save with np.savez")
    if member.file_size > most:
        raise ValueError(f"{member.compress_size} bytes do not unpack to {member.file_size}")
    with archive.open(member) as stream:
        check_header(stream, member.file_size)
    with archive.open(member) as stream:
        array: NDArray[Any] = format_.read_array(stream, allow_pickle=False)
        return array
