"""The exported file under attack: what ships is what is attacked."""

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.pixel_grid import PixelGrid
from qrobust.attacks.ground.target import Floats, described
from qrobust.certify.file.model_file import Model, load_model
from qrobust.certify.file.runner import Run, Runners
from qrobust.certify.run.votes import available_cores

_BATCH = 64


class TFLiteTarget:
    """Dequantized logits of an integer ``.tflite``, batched, one LiteRT interpreter a thread.

    Args:
        model: path or bytes of the file.
        name: in reports.
        batch: inputs of one ``invoke``; a file whose graph fixes the batch runs one by one.
        threads: interpreters at work; all cores by default.
        trusted: run the file in this process, not in a child with limits; only for files of known
            origin that the integer contract's reader accepts.

    Raises:
        ValueError: no integer classifier of two classes or more, or a file that does not survive.
    """

    def __init__(
        self,
        model: Model,
        *,
        name: str = "model.tflite",
        batch: int = _BATCH,
        threads: int | None = None,
        trusted: bool = False,
    ) -> None:
        file = load_model(model, trusted=trusted)
        self.name = name
        self.file = file
        self.grid = PixelGrid(file.grid.low, file.grid.high, file.grid.scale)
        self.shape = file.shape
        self.classes = file.classes
        self.queries = 0
        threads = available_cores() if threads is None else threads
        self.batch = 1 if file.one_row else batch
        self._runners = Runners(file, count=threads, batch=self.batch)
        self._idle: SimpleQueue[Run] = SimpleQueue()
        for run in self._runners.runs:
            self._idle.put(run)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="queries")

    def __repr__(self) -> str:
        return described(self)

    def logits(self, x: NDArray[Any]) -> Floats:
        """float32[n, classes] of ``x``, integers [n, *shape] in LSB; the file sees nothing else."""
        x = np.asarray(x)
        if x.dtype.kind == "f":
            x = np.rint(x)
        self.queries += len(x)
        stored = (x.astype(np.int16) + np.int16(self.file.grid.zero_point)).astype(
            self.file.grid.dtype
        )
        chunks = [stored[i : i + self.batch] for i in range(0, len(x), self.batch)]
        pieces = list(self._pool.map(self._run, chunks))
        return np.concatenate(pieces or [np.zeros((0, self.classes), np.float32)])

    def _run(self, chunk: NDArray[Any]) -> Floats:
        full = np.zeros((self.batch, *self.shape), chunk.dtype)
        full[: len(chunk)] = chunk
        run = self._idle.get()
        try:
            output = run(full)[: len(chunk)]
        finally:
            self._idle.put(run)
        # A file without a scale still ranks its classes.
        scale = np.float32(self.file.output_scale or 1.0)
        logits: Floats = (output.astype(np.float32) - self.file.output_zero_point) * scale
        return logits

    def close(self) -> None:
        """End the threads, and the process that runs the file."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._runners.close()
