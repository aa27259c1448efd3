"""The exported file under attack: what ships is what is attacked."""

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.pixel_grid import PixelGrid
from qrobust.attacks.ground.target import Floats, described
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import Model, load_model, make_interpreter, refusals
from qrobust.certify.run.votes import available_cores

_BATCH = 64


class TFLiteTarget:
    """Dequantized logits of an integer ``.tflite``, batched, one LiteRT interpreter a thread.

    Args:
        model: path or bytes of the file.
        name: in reports.
        batch: inputs of one ``invoke``; a file whose graph fixes the batch runs one by one.
        threads: interpreters at work; all cores by default.

    Raises:
        ValueError: no integer classifier of two classes or more.
    """

    def __init__(
        self,
        model: Model,
        *,
        name: str = "model.tflite",
        batch: int = _BATCH,
        threads: int | None = None,
    ) -> None:
        file = load_model(model)
        self.name = name
        self.file = file
        self.grid = PixelGrid(file.grid.low, file.grid.high, file.grid.scale)
        self.shape = file.shape
        self.classes = file.classes
        self.queries = 0
        self.batch = batch
        threads = available_cores() if threads is None else threads
        try:
            first = self._interpreter()
        except CertifyError:
            # Most likely a RESHAPE with a fixed batch; if not, this raises the same error.
            self.batch = 1
            first = self._interpreter()
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._idle.put(first)
        for _ in range(threads - 1):
            self._idle.put(self._interpreter())
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="queries")

    def __repr__(self) -> str:
        return described(self)

    def _interpreter(self) -> Any:
        interpreter = make_interpreter(self.file.content, batch=self.batch)
        shape = tuple(interpreter.get_output_details()[0]["shape"])
        if shape != (self.batch, self.classes):
            raise CertifyError(f"the file gives shape {shape} for {self.batch} inputs at once")
        return interpreter

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
        interpreter = self._idle.get()
        try:
            source = interpreter.get_input_details()[0]
            result = interpreter.get_output_details()[0]
            full = np.zeros((self.batch, *self.shape), chunk.dtype)
            full[: len(chunk)] = chunk
            with refusals():
                interpreter.set_tensor(source["index"], full)
                interpreter.invoke()
                output = interpreter.get_tensor(result["index"])[: len(chunk)]
        finally:
            self._idle.put(interpreter)
        scale, zero_point = result["quantization"]
        # A file without a scale still ranks its classes.
        logits: Floats = (output.astype(np.float32) - zero_point) * np.float32(scale or 1.0)
        return logits

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
