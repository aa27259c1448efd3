"""Faults put in on purpose, to see that a run finds them: a crash, a hang, an exception."""

import contextlib
from unittest import mock


@contextlib.contextmanager
def crash():
    """A command looks at a file with an interpreter of its own process."""
    from ai_edge_litert.interpreter import Interpreter

    from tests.fuzz import targets

    look = targets.inspect

    def look_inside(data):
        with contextlib.suppress(ValueError, RuntimeError, IndexError):
            interpreter = Interpreter(model_content=data, num_threads=1)
            interpreter.allocate_tensors()
            interpreter.invoke()
        return look(data)

    with mock.patch.object(targets, "inspect", look_inside):
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


@contextlib.contextmanager
def belief():
    """A file's shapes are believed."""
    with mock.patch("tflite_export.contract.shape_problem", return_value=""):
        yield


#: Fault -> the target that finds it, and what the finding is.
PLANTS = {
    "crash": (crash, "file", "crash"),
    "hang": (hang, "journal", "hang"),
    "exception": (exception, "npz", "exception"),
    "belief": (belief, "contract", "exception"),
}
