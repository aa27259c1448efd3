"""Counting votes: noisy copies through the interpreter, on every core, in int64."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.streams import Key
from qrobust.certify.file.model_file import ModelFile, make_interpreter, refusals
from qrobust.certify.file.row_alarm import check_rows
from qrobust.certify.smoothings.smoothing import Smoothing

DEFAULT_BATCH = 64

#: So many inputs are randomized at once, of so many numbers at most: after each inference the
#: sampler finds its tables and buffers gone from the core's cache, and pays for it once this way.
_ROWS = 256
_NUMBERS = 1 << 20


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """One interpreter with its sampler and buffers; used by one thread at a time.

    Attributes:
        batches: how many it takes at a time.
    """

    def __init__(self, file: ModelFile, smoothing: Smoothing, *, batch: int, kernels: str) -> None:
        self._interpreter = make_interpreter(file.content, batch=batch, kernels=kernels)
        source = self._interpreter.get_input_details()[0]
        result = self._interpreter.get_output_details()[0]
        if tuple(result["shape"]) != (batch, file.classes):
            raise CertifyError(
                f"the file gives shape {tuple(result['shape'])} for {batch} inputs at once"
            )
        self._source, self._result = source["index"], result["index"]
        self._file = file
        self._sampler = smoothing.sampler()
        self.batches = max(1, min(_ROWS, _NUMBERS // file.coordinates) // batch)
        self._inputs = np.zeros((self.batches, batch, *file.shape), file.grid.dtype)
        self._rows = self._inputs.reshape(self.batches * batch, file.coordinates)
        self._outputs = np.empty((self.batches, batch, file.classes), result["dtype"])

    def count(
        self, tensor: NDArray[np.int16], key: Key, purpose: int, start: int, count: int
    ) -> NDArray[np.int64]:
        """Votes of samples ``start`` to ``start + count - 1``; rows past them are not counted."""
        self._sampler.fill(tensor, self._rows[:count], key=key, purpose=purpose, start=start)
        labels = self.run(-(-count // len(self._inputs[0])))[:count]
        return np.bincount(labels, minlength=self._file.classes).astype(np.int64)

    def run(self, batches: int) -> NDArray[np.intp]:
        """Labels of the first rows."""
        for inputs, outputs in zip(self._inputs[:batches], self._outputs, strict=False):
            outputs[:] = self.outputs(inputs)
        found = self._outputs[:batches].reshape(-1, self._file.classes)
        labels: NDArray[np.intp] = np.argmax(found, axis=1)  # ties go to the lowest index
        return labels

    def outputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        with refusals():
            self._interpreter.set_tensor(self._source, inputs)
            self._interpreter.invoke()
            outputs: NDArray[Any] = self._interpreter.get_tensor(self._result)
        return outputs

    def check_rows(self) -> None:
        """Raise `CertifyError` if rows of a batch change each other's outputs."""
        check_rows(self.outputs, self._inputs[0].shape, self._file.grid.dtype)

    def classify(self, tensor: NDArray[np.int16]) -> int:
        """Label of the input without noise."""
        self._inputs[0].reshape(-1, self._file.coordinates)[:] = tensor
        return int(self.run(1)[0])


class VoteCounter:
    """Counts the votes of noisy copies of an input.

    Every thread has its own interpreter, so one makes noise while another infers (``invoke``
    releases the interpreter lock). The votes do not depend on threads or batch.

    Args:
        file: a checked model.
        smoothing: how inputs are randomized.
        threads: interpreters at work; all cores by default.
        batch_size: inputs per ``invoke``. A file whose graph fixes the batch runs one by one.
        kernels: kernel family of the interpreter.
    """

    def __init__(
        self,
        file: ModelFile,
        smoothing: Smoothing,
        *,
        threads: int | None = None,
        batch_size: int = DEFAULT_BATCH,
        kernels: str = "xnnpack",
    ) -> None:
        threads = available_cores() if threads is None else threads
        if threads < 1:
            raise CertifyError(f"threads must be at least 1, received {threads}")
        if batch_size < 1:
            raise CertifyError(f"batch_size must be at least 1, received {batch_size}")
        self.file = file
        self.threads = threads
        self.batch_size = batch_size
        try:
            first = _Worker(file, smoothing, batch=batch_size, kernels=kernels)
        except CertifyError:
            if batch_size == 1:
                raise
            # Most likely a RESHAPE with a fixed batch; if not, this raises the same error.
            self.batch_size = 1
            first = _Worker(file, smoothing, batch=1, kernels=kernels)
        self._batches = first.batches
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._idle.put(first)
        for _ in range(threads - 1):
            self._idle.put(_Worker(file, smoothing, batch=self.batch_size, kernels=kernels))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="votes")
        self._closed = False

    def count(
        self, tensor: NDArray[np.int16], *, key: Key, purpose: int, start: int = 0, count: int
    ) -> NDArray[np.int64]:
        """Return the votes of samples ``start`` to ``start + count - 1``.

        Args:
            tensor: int16[coordinates], the clean input in tensor values.
            key: of the image's random streams.
            purpose: which stream.
            start: index of the first sample.
            count: how many samples.

        Returns:
            int64[classes], summing to ``count``.
        """
        end = start + count
        # A share of the batches a thread, so that none waits for another one's.
        batches = -(-count // (self.batch_size * self.threads))
        step = self.batch_size * min(batches, self._batches)
        # The threads share one iterator, so memory stays the same whatever the count.
        chunks = iter(range(start, end, step))
        stop = Event()

        def drain() -> NDArray[np.int64]:
            votes = np.zeros(self.file.classes, np.int64)
            worker = self._idle.get()
            try:
                for first in chunks:
                    if self._closed or stop.is_set():
                        raise CancelledError
                    size = min(step, end - first)
                    votes += worker.count(tensor, key, purpose, first, size)
            finally:
                self._idle.put(worker)
            return votes

        running = [self._pool.submit(drain) for _ in range(self.threads)]
        try:
            votes: NDArray[np.int64] = np.sum([future.result() for future in running], axis=0)
            return votes
        except BaseException:
            stop.set()
            raise

    def classify(self, tensor: NDArray[np.int16]) -> int:
        """Return the label of the input without noise."""
        worker = self._idle.get()
        try:
            return worker.classify(tensor)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End the threads; a count under way in another thread raises `CancelledError`."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> VoteCounter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
