"""Arrays from disk: the one road from ``.npy`` and ``.npz`` files into memory.

Nothing in such a file is trusted, and nothing of it is run. What a header claims is compared with
what the file holds before memory is taken, and what may be taken is bounded by the file's own
size, so that a small file cannot fill a machine.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as format_
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from tflite_export.printable import one_line, printable

#: Bytes that any file may unpack to, and that are read from a pipe.
MOST_BYTES = 1 << 29
#: A larger file may unpack to this many times its own size.
MOST_TIMES = 8
#: Takes bytes, as digests do.
Seen = Callable[[bytes | memoryview], object]

#: How a bare ``.npy`` begins.
_ARRAY = b"\x93NUMPY"
#: Bytes that one byte of DEFLATE can stand for.
_DEFLATE_RATIO = 1032
_BLOCK = 1 << 20
#: Bytes of an array's header; NumPy's own readers take no longer ones, but read them whole first.
_LONGEST_HEADER = 10_000
#: Formats of an array, and how each says the length of its header.
_LENGTHS = {(1, 0): struct.Struct("<H"), (2, 0): struct.Struct("<I")}
_HEADERS = {(1, 0): format_.read_array_header_1_0, (2, 0): format_.read_array_header_2_0}


def read_npy(path: str | os.PathLike[str], *, what: str = "array") -> NDArray[Any]:
    """Return the one array of a ``.npy`` file.

    Args:
        path: of the file.
        what: it is, for the message: "cannot read the {what} ...".

    Raises:
        CertifyError: the file cannot be read, is no ``.npy``, or claims what it does not hold.
    """
    with _messages(path, what, ".npy"), open(path, "rb") as file:
        stream, size = _sized(file)
        if not _begins(stream):
            raise ValueError("it holds no array; save with np.save")
        return _read(stream, size)


def read_npz(
    path: str | os.PathLike[str],
    names: Sequence[str],
    *,
    what: str = "data",
    rows: int | None = None,
    seen: Seen | None = None,
) -> tuple[dict[str, NDArray[Any]], int]:
    """Return those of the named arrays that a ``.npz`` file holds.

    Args:
        path: of the file.
        names: of arrays.
        what: it is, for the message: "cannot read the {what} ...".
        rows: of the first array kept in memory, the first ones; all by default. All of it is read
            and checked all the same.
        seen: is given `described` and the values of the first array, little-endian in C order.

    Returns:
        name -> array, and how many rows the first one has in the file (0 where it has none).

    Raises:
        CertifyError: the file cannot be read, is no ``.npz``, holds none of the names, claims what
            it does not hold, or unpacks to more than it may (`MOST_BYTES`, `MOST_TIMES`).
    """
    shown = printable(os.fspath(path))
    with _messages(path, what, ".npz"), open(path, "rb") as file:
        # An archive is read from its end, which a pipe does not have.
        stream, size = _sized(file)
        if _begins(stream):
            raise CertifyError(f"{shown} holds a single array; save with np.savez(x=..., y=...)")
        with zipfile.ZipFile(stream) as archive:
            members = _members(archive)
            if names[0] not in members:
                held = printable(", ".join(members)) or "nothing"
                raise CertifyError(f"{shown} holds {held}; it needs {names[0]}")
            chosen = {name: members[name] for name in names if name in members}
            _check_sizes(chosen.values(), size, shown)
            arrays: dict[str, NDArray[Any]] = {}
            count = 0
            for name, member in chosen.items():
                first = name == names[0]
                with archive.open(member) as inside:
                    arrays[name], total = _read_rows(
                        inside, member.file_size, rows if first else None, seen if first else None
                    )
                count = total if first else count
            return arrays, count


def described(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Type, little-endian, and shape, as a digest of an array begins."""
    return f"{dtype.newbyteorder('<').str}{shape}".encode()


def names_in(path: str | os.PathLike[str], *, what: str = "data") -> frozenset[str]:
    """Return the names of the arrays in a ``.npz`` file; see `read_npz`."""
    with _messages(path, what, ".npz"), zipfile.ZipFile(path) as archive:
        return frozenset(_members(archive))


@contextmanager
def _messages(path: str | os.PathLike[str], what: str, kind: str) -> Iterator[None]:
    """Turn whatever a damaged file breaks into a `CertifyError` that names it."""
    shown = printable(os.fspath(path))
    try:
        yield
    except CertifyError:
        raise
    except OSError as error:
        raise CertifyError(f"cannot read the {what} {shown}: {error.strerror or error}") from None
    except MemoryError as error:
        raise CertifyError(
            f"cannot read the {what} {shown}: it needs more memory than there is "
            f"({one_line(error)}): give fewer inputs"
        ) from None
    except Exception as error:  # a damaged file breaks wherever it is met
        raise CertifyError(
            f"cannot read the {what} {shown}: it is no readable {kind} file: {one_line(error)}"
        ) from None


def _sized(file: IO[bytes]) -> tuple[IO[bytes], int]:
    """A file that can be read from any place, and its size."""
    if file.seekable():
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return file, size
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"at most {MOST_BYTES:,} bytes are read from a pipe; give a file")
    return io.BytesIO(content), len(content)


def _begins(stream: IO[bytes]) -> bool:
    """Whether a bare array begins here; the stream is where it was."""
    found = stream.read(len(_ARRAY)) == _ARRAY
    stream.seek(0)
    return found


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays of an archive; an error where a name says two things."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members:
            raise ValueError(f"it holds two arrays called {printable(name)}; save with np.savez")
        members[name] = info
    return members


def _check_sizes(members: Any, size: int, shown: str) -> None:
    """Raise an error where an archive's own records cannot be true, or are of too much."""
    total = 0
    for member in members:
        most = member.compress_size
        if member.compress_type == zipfile.ZIP_DEFLATED:
            most = most * _DEFLATE_RATIO + 64
        elif member.compress_type != zipfile.ZIP_STORED:
            raise ValueError("arrays in it are compressed as NumPy does not; save with np.savez")
        if member.file_size > most:
            raise ValueError(f"{member.compress_size} bytes do not unpack to {member.file_size}")
        total += member.file_size
    if total > max(MOST_BYTES, MOST_TIMES * size):
        raise CertifyError(
            f"{shown} has {size:,} bytes and unpacks to {total:,}; read are {MOST_BYTES:,}, or "
            f"{MOST_TIMES} times the file: save with np.savez instead of np.savez_compressed, or "
            "give fewer inputs"
        )


def _read(stream: IO[bytes], held: int) -> NDArray[Any]:
    return _read_rows(stream, held, None, None)[0]


def _read_rows(
    stream: IO[bytes], held: int, rows: int | None, seen: Seen | None
) -> tuple[NDArray[Any], int]:
    """Return an array, its first rows only where that is asked for, and how many rows it has.

    Args:
        stream: at the array's beginning, read to its end.
        held: how many bytes it has, header included.
        rows: to keep; None for all.
        seen: see `read_npz`.
    """
    shape, columns_first, dtype = _header(stream, held)
    total = shape[0] if shape else 0
    little = dtype.newbyteorder("<")
    if seen is not None:
        seen(described(dtype, shape))
    if columns_first or not shape:
        array = _filled(stream, shape[::-1], dtype).transpose()
        if seen is not None:
            seen(np.ascontiguousarray(array, little).data)
        _end(stream)
        # Of columns, the first rows lie all over the file.
        return (array if rows is None or not shape else array[:rows].copy()), total
    array = _filled(stream, (total if rows is None else min(rows, total), *shape[1:]), dtype)
    if seen is not None:
        seen(np.ascontiguousarray(array, little).data)
    left = (prod(shape) - array.size) * dtype.itemsize
    while left:
        block = _filled(stream, (min(left, _BLOCK) // dtype.itemsize or 1,), dtype)
        left -= block.nbytes
        if seen is not None:
            seen(block.astype(little, copy=False).data)
    _end(stream)
    return array, total


def _header(stream: IO[bytes], held: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of an array; an error where they cannot be true of its bytes."""
    version = format_.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError("an array's format is unknown; save with np.savez")
    begin, length = stream.tell(), _LENGTHS[version]
    words = stream.read(length.size)
    if len(words) < length.size or length.unpack(words)[0] > _LONGEST_HEADER:
        raise ValueError(f"an array's header has at most {_LONGEST_HEADER} bytes")
    stream.seek(begin)
    with warnings.catch_warnings():
        # Python's parser would show the header's text on standard error.
        warnings.simplefilter("ignore")
        try:
            shape, columns_first, dtype = _HEADERS[version](stream)
        except MemoryError:  # of nested text, not of the array
            raise ValueError("an array's header is no description of one") from None
    if dtype.hasobject or dtype.kind == "V":
        raise ValueError(f"an array of {dtype} holds no numbers, and objects are not read")
    if dtype.char in "gG":
        raise ValueError(f"{dtype} is another number on another machine; save float64")
    size = prod(shape) * dtype.itemsize
    if not dtype.itemsize or min(shape, default=0) < 0 or size != held - stream.tell():
        raise ValueError(f"an array of shape {shape} and {dtype} does not fit its size")
    return shape, bool(columns_first), dtype


def _filled(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The next values of a stream, in C order."""
    array: NDArray[Any] = np.empty(shape, dtype)
    place = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(place):
        block = stream.read(min(_BLOCK, len(place) - done))
        if not block:
            raise ValueError(f"an array ends after {done} bytes of {len(place)}")
        place[done : done + len(block)] = block
        done += len(block)
    return array


def _end(stream: IO[bytes]) -> None:
    """Reach the end, where an archive compares its checksum."""
    if stream.read(1):
        raise ValueError("an array goes on behind its end")
