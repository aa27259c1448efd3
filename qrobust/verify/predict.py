"""Running the file itself: the one place where proofs meet an interpreter."""

from __future__ import annotations

import weakref

import numpy as np

from qrobust.certify.file.model_file import ModelFile
from qrobust.certify.file.runner import Run, Runners
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
        self._batch = 1 if file.one_row else _BATCH
        self._runs: dict[int, Run] = {}
        self._run_of(self._batch)

    def _run_of(self, batch: int) -> Run:
        if batch not in self._runs:
            runners = Runners(self.file, count=1, batch=batch, kernels=self.kernels)
            self._runs[batch] = runners.runs[0]
            weakref.finalize(self, runners.close)
        return self._runs[batch]

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
            logits[start : start + len(part)] = self._run_of(batch)(inputs)[: len(part)]
        return logits

    def labels(self, pictures: Picture) -> Integers:
        """Return the labels, int64[n]; ties go to the lowest index."""
        return np.asarray(np.argmax(self.predict_batch(pictures), axis=1), np.int64)
