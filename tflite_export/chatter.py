"""Holds back what LiteRT says of itself ("INFO: Created TensorFlow Lite XNNPACK delegate")."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_CHATTER = re.compile(rb"^INFO: .*\n?", re.MULTILINE)
_ONE_AT_A_TIME = RLock()


@contextmanager
def without_chatter() -> Iterator[None]:
    """Drop lines that begin with ``INFO:`` from standard error meanwhile; pass on all others.

    LiteRT's logger reads no environment variable and has no switch in Python, so the descriptor
    itself leads to a file meanwhile. Where it leads nowhere, or no file can be made, nothing
    changes: a child in a sandbox may write none.
    """
    with _ONE_AT_A_TIME:
        held = None if _is_silent() else _file()
        if held is None:
            yield
            return
        saved = os.dup(2)
        os.dup2(held, 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.lseek(held, 0, os.SEEK_SET)
            with open(held, "rb") as file:
                left = _CHATTER.sub(b"", file.read())
            if left:
                os.write(2, left)


def _is_silent() -> bool:
    try:
        return os.path.samestat(os.fstat(2), os.stat(os.devnull))
    except OSError:  # closed
        return True


def _file() -> int | None:
    try:
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    except OSError:
        return None
