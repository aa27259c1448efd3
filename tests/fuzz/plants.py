"""Faults put in on purpose, to see that a run finds them: a crash, a hang, an exception."""

import contextlib
from unittest import mock


class _NoChild:
    """Runs the handler in this process, as if files were trusted."""

    def __init__(self, factory, arguments, *, lanes=1, limited=True):
        self._handlers = [None] * lanes
        self._factory, self._arguments = factory, arguments

    def call(self, request, *, lane=0, limit_s=0, longest=0):
        if self._handlers[lane] is None:
            self._handlers[lane] = self._factory(*self._arguments)
        return memoryview(self._handlers[lane](request))

    def kill(self):
        pass

    close = kill


@contextlib.contextmanager
def crash():
    """Files from outside run in this process."""
    with (
        mock.patch("qrobust.certify.file.model_file.Child", _NoChild),
        mock.patch("qrobust.certify.run.votes.Child", _NoChild),
    ):
        yield


@contextlib.contextmanager
def hang():
    """A number that is too large is computed instead of refused."""
    from tests.fuzz import targets

    read = targets.read_lines

    def slow(path):
        if b"e999999999" in path.read_bytes():
            while True:
                pass
        return read(path)

    with mock.patch.object(targets, "read_lines", slow):
        yield


@contextlib.contextmanager
def exception():
    """A header's claim is believed."""

    def believe(stream):
        raise OverflowError("Python int too large to convert to C ssize_t")

    with mock.patch("qrobust.certify.run.data.one_line", believe):
        yield


#: Fault -> the target that finds it, and what the finding is.
PLANTS = {
    "crash": (crash, "file", "crash"),
    "hang": (hang, "journal", "hang"),
    "exception": (exception, "npz", "exception"),
}
