"""Running the file itself: the one place where proofs meet an interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import ModelFile, make_interpreter, refusals
from qrobust.verify.domain import Domain, Integers, Picture

_BATCH = 64


class Predictor:
    """Logits and labels of a file, in batches.

    Args:
        file: a checked classifier.
        kernels: kernel family of the interpreter.

    Attributes:
        file: likewise.
        domain: its inputs, in grid integers.
    """

    def __init__(self, file: ModelFile, *, kernels: str = "xnnpack") -> None:
        self.file = file
        self.kernels = kernels
        self.domain = Domain(file.shape, file.grid.low, file.grid.high)
        self._by_batch: dict[int, Any] = {}
        self._batch = _BATCH
        try:
            self._interpreter(_BATCH)
        except CertifyError:
            self._batch = 1  # a graph that fixes its batch
            self._interpreter(1)

    def _interpreter(self, batch: int) -> Any:
        if batch not in self._by_batch:
            interpreter = make_interpreter(self.file.content, batch=batch, kernels=self.kernels)
            given = tuple(interpreter.get_output_details()[0]["shape"])
            if given != (batch, self.file.classes):
                raise CertifyError(f"the file gives shape {given} for {batch} inputs at once")
            self._by_batch[batch] = interpreter
        return self._by_batch[batch]

    def predict_batch(self, pictures: Picture) -> Integers:
        """Return the logits of any number of inputs, int64[n, classes].

        Args:
            pictures: int16[n, *shape], grid integers.
        """
        grid = self.file.grid
        rows = (pictures + np.int16(grid.zero_point)).astype(grid.dtype)
        logits = np.empty((len(rows), self.file.classes), np.int64)
        for start in range(0, len(rows), self._batch):
            part = rows[start : start + self._batch]
            # A lone input does not pay for a whole batch.
            batch = 1 if len(part) == 1 else self._batch
            inputs = np.zeros((batch, *self.file.shape), grid.dtype)
            inputs[: len(part)] = part
            logits[start : start + len(part)] = self._run(inputs)[: len(part)]
        return logits

    def _run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        interpreter = self._interpreter(len(inputs))
        with refusals():
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
            interpreter.invoke()
            outputs: NDArray[Any] = interpreter.get_tensor(
                interpreter.get_output_details()[0]["index"]
            )
        return outputs

    def labels(self, pictures: Picture) -> Integers:
        """Return the labels, int64[n]; ties go to the lowest index."""
        return np.asarray(np.argmax(self.predict_batch(pictures), axis=1), np.int64)
