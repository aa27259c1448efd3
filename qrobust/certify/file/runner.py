"""A checked file at a fixed batch: here, or in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import (
    DamagedFileError,
    ModelFile,
    make_interpreter,
    refusals,
    sandboxed,
)
from tflite_export.sandbox.child import Child

Stored = NDArray[np.int8] | NDArray[np.uint8]


class Run(Protocol):
    """One interpreter at a fixed batch; used by one thread at a time."""

    def __call__(self, inputs: Stored) -> Stored:
        """Return the outputs [batch, classes] of the inputs [batch, *shape]."""


class Runner:
    """An interpreter of this process; see `Run`.

    Args:
        file: a checked model.
        batch: inputs of one ``invoke``.
        kernels: kernel family.

    Raises:
        CertifyError: the interpreter refuses the file, or the batch.
    """

    def __init__(self, file: ModelFile, *, batch: int, kernels: str) -> None:
        self._interpreter = make_interpreter(file.content, batch=batch, kernels=kernels)
        with refusals():
            source = self._interpreter.get_input_details()[0]
            result = self._interpreter.get_output_details()[0]
        if tuple(result["shape"]) != (batch, file.classes):
            raise CertifyError(
                f"the file gives shape {tuple(int(n) for n in result['shape'])} for {batch} "
                "inputs at once"
            )
        self._source, self._result = source["index"], result["index"]

    def __call__(self, inputs: Stored) -> Stored:
        """Run them."""
        with refusals():
            self._interpreter.set_tensor(self._source, inputs)
            self._interpreter.invoke()
            outputs: Stored = self._interpreter.get_tensor(self._result)
        return outputs


class Runners:
    """Several interpreters of one file, in this process if it is trusted, else in another.

    Args:
        file: a checked model.
        count: how many.
        batch: inputs of one ``invoke``.
        kernels: kernel family.

    Raises:
        CertifyError: the interpreter refuses the file, or the batch, or dies of it.
    """

    def __init__(
        self, file: ModelFile, *, count: int, batch: int, kernels: str = "xnnpack"
    ) -> None:
        self._child: Child | None = None
        if file.trusted:
            self.runs: list[Run] = [
                Runner(file, batch=batch, kernels=kernels) for _ in range(count)
            ]
            return
        with sandboxed():
            child = Child(serve_runner, (file, batch, kernels), lanes=count)
        self._child = child
        self.runs = [_Remote(child, lane, batch, file) for lane in range(count)]
        try:
            self.runs[0](np.zeros((batch, *file.shape), file.grid.dtype))
        except CertifyError:
            child.close()
            raise

    def close(self) -> None:
        """End the other process, if there is one."""
        if self._child is not None:
            self._child.close()


class _Remote:
    """One interpreter of a child; see `Run`."""

    def __init__(self, child: Child, lane: int, batch: int, file: ModelFile) -> None:
        self._child, self._lane = child, lane
        self._shape = (batch, file.classes)

    def __call__(self, inputs: Stored) -> Stored:
        size = self._shape[0] * self._shape[1]
        with sandboxed():
            answer = self._child.call(inputs, lane=self._lane, longest=size + 5)
        dtype, content = bytes(answer[:5]).strip().decode(errors="replace"), answer[5:]
        if dtype not in ("int8", "uint8") or len(content) != size:
            raise DamagedFileError("the .tflite file is damaged: its outputs have another size")
        return np.frombuffer(content, dtype).reshape(self._shape)


def serve_runner(file: ModelFile, batch: int, kernels: str) -> Callable[[Any], bytes]:
    """Handler of a child that runs batches; an answer is the type's name and the integers."""
    run = Runner(file, batch=batch, kernels=kernels)

    def handle(inputs: Stored) -> bytes:
        outputs = run(inputs)
        return outputs.dtype.name.ljust(5).encode() + outputs.tobytes()

    return handle
