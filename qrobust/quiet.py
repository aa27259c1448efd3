"""Imports TensorFlow without its start-up messages."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Hold back what C++ writes to standard error meanwhile; show it if the body fails.

    TensorFlow logs CUDA and oneDNN notices before its own log level applies, and no setting of
    Python's reaches them.
    """
    with tempfile.TemporaryFile() as held:
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
