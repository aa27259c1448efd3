"""Files that are whole or not there: the one way in which these packages write.

A file is written beside its place, flushed to the disk, and takes its name in one step; then the
folder is flushed. Whatever fails in between, a full disk or a lost process, the name shows the old
file or the new one. Journals alone grow in place: their lines carry a chain instead.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

Name = str | os.PathLike[str]


def write_bytes(path: Name, content: bytes) -> Path:
    """Write a file whole; see `replacing`. Returns its path."""
    with replacing(path) as beside, open(beside, "wb") as file:
        file.write(content)
    return Path(path)


def write_text(path: Name, text: str) -> Path:
    """Write a UTF-8 file whole; see `replacing`. Returns its path."""
    return write_bytes(path, text.encode())


@contextlib.contextmanager
def replacing(path: Name) -> Iterator[Path]:
    """Give a path to write to; at the end of the block it becomes ``path``, whole.

    If the block raises, or anything after it fails, what was at ``path`` stays and the other file
    is removed. Links are followed, so a link stays one. What is no regular file (a pipe,
    ``/dev/null``, ``/dev/stdout``) has no place beside it and gets the finished bytes.

    Args:
        path: of the file, whose folder exists.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode) and not path.is_dir():
            with _poured_into(path) as beside:
                yield beside
            return
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a directory", os.fspath(path))
    if place.exists() and not os.access(place, os.W_OK):
        # A rename would not ask.
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
    # The suffix stays: writers of pictures and models look at it.
    beside = place.with_name(f".{secrets.token_hex(6)}{place.suffix}")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        with contextlib.suppress(FileNotFoundError):
            os.chmod(beside, stat.S_IMODE(os.stat(place).st_mode))
        yield beside
        _flush(beside, os.O_RDWR)
        os.replace(beside, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    _flush(place.parent, os.O_RDONLY)


@contextlib.contextmanager
def _poured_into(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / f"content{path.suffix}"
        yield beside
        with open(beside, "rb") as content, open(path, "wb") as sink:
            shutil.copyfileobj(content, sink)


def _flush(path: Path, flags: int) -> None:
    """Return when the disk has it."""
    file = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
