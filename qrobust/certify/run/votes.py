"""Counting votes: noisy copies through the interpreter, on every core, in int64.

Noise, inference and counting happen at one place, a lane: a thread of this process for trusted
files, a thread of a child for all others. Only the clean input and the place of the samples go
in, only counts come out, so a process of its own costs next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.streams import Key
from qrobust.certify.file.model_file import DamagedFileError, ModelFile, sandboxed
from qrobust.certify.file.runner import Stored
from qrobust.certify.run.answers import make_answers
from qrobust.certify.run.shares import Shares, available_cores
from qrobust.certify.smoothings.smoothing import Smoothing
from tflite_export.sandbox.child import Child

DEFAULT_BATCH = 64
#: Seconds that one request may aim at: long beside a message and beside `_ROWS` inputs, short
#: beside a person's patience.
_REQUEST_S = 0.1
#: So many inputs are randomized at once, of so many numbers at most: after each inference the
#: sampler finds its tables and buffers gone from the core's cache, and pays for it once this way.
_ROWS = 256
_NUMBERS = 1 << 20

__all__ = ["DEFAULT_BATCH", "VoteCounter", "available_cores"]


class _Lane(Protocol):
    """Interpreters of one file or bundle with a sampler; used by one thread at a time."""

    @property
    def evaluations(self) -> int: ...

    def count(
        self, tensor: NDArray[np.int16], key: Key, purpose: int, start: int, count: int
    ) -> NDArray[np.int64]: ...

    def classify(self, tensor: NDArray[np.int16]) -> int: ...

    def check_rows(self) -> None: ...


class _Here:
    """A lane of this process, with reused buffers."""

    def __init__(self, file: ModelFile, smoothing: Smoothing, *, batch: int, kernels: str) -> None:
        self._answers = make_answers(file, batch=batch, kernels=kernels)
        self._file, self._batch = file, batch
        self._sampler, self._threshold = smoothing.sampler(), smoothing.threshold
        batches = max(1, min(_ROWS, _NUMBERS // file.coordinates) // batch)
        self._inputs = np.zeros((batches, batch, *file.shape), file.grid.dtype)
        self._rows = self._inputs.reshape(batches * batch, file.coordinates)

    def count(
        self, tensor: NDArray[np.int16], key: Key, purpose: int, start: int, count: int
    ) -> NDArray[np.int64]:
        """Votes of samples ``start`` to ``start + count - 1``; rows past them are not counted."""
        votes = np.zeros(self._file.classes, np.int64)
        for first in range(start, start + count, len(self._rows)):
            size = min(len(self._rows), start + count - first)
            self._sampler.fill(tensor, self._rows[:size], key=key, purpose=purpose, start=first)
            outputs = self._answers(self._inputs, size, (key, purpose, first))
            votes += np.bincount(self._labels(outputs), minlength=self._file.classes)
        return votes

    @property
    def evaluations(self) -> int:
        """Rows that networks have seen so far."""
        return self._answers.evaluations

    def classify(self, tensor: NDArray[np.int16]) -> int:
        """Label of the input without noise."""
        self._rows[: self._batch] = tensor
        return int(np.argmax(self._answers(self._inputs, 1, None)[0]))

    def check_rows(self) -> None:
        """Raise `CertifyError` if rows of a batch change each other's outputs."""
        self._answers.check_rows()

    def _labels(self, outputs: Stored) -> NDArray[np.intp]:
        """The vote of every row that gives one."""
        labels: NDArray[np.intp] = np.argmax(outputs, axis=1)  # ties: the lowest index
        if not self._threshold:
            return labels
        best = np.partition(outputs.astype(np.int16), -2, axis=1)[:, -2:]
        return labels[best[:, 1] - best[:, 0] >= self._threshold]


class _There:
    """A lane of a child."""

    def __init__(self, child: Child, lane: int, file: ModelFile, *, all_vote: bool) -> None:
        self._child, self._lane, self._file = child, lane, file
        self._all_vote = all_vote
        self.evaluations = 0
        self._sent: NDArray[np.int16] | None = None

    def count(
        self, tensor: NDArray[np.int16], key: Key, purpose: int, start: int, count: int
    ) -> NDArray[np.int64]:
        """Ask for the votes, and check that they are that many, or no more where some abstain."""
        place = (key, int(purpose), start, count)
        answer = self._ask(tensor, place, 8 * (self._file.classes + 1))
        numbers = np.frombuffer(answer, "<i8").astype(np.int64)
        votes = numbers[:-1]
        given = int(votes.sum())
        adds_up = given == count if self._all_vote else given <= count
        if len(votes) != self._file.classes or votes.min() < 0 or not adds_up:
            raise DamagedFileError("the .tflite file is damaged: its votes do not add up")
        self.evaluations = int(numbers[-1])
        return votes

    def classify(self, tensor: NDArray[np.int16]) -> int:
        """Label of the input without noise."""
        answer = self._ask(tensor, None, 8)
        label = int.from_bytes(answer, "little")
        if label >= self._file.classes:
            raise DamagedFileError("the .tflite file is damaged: it gives a class that it lacks")
        return label

    def check_rows(self) -> None:
        """Let it look whether rows of a batch change each other's outputs."""
        with sandboxed():
            self._child.call(None, lane=self._lane)

    def _ask(self, tensor: NDArray[np.int16], place: Any, longest: int) -> memoryview:
        # The input travels once, not with each of its requests.
        known = self._sent is not None and np.array_equal(self._sent, tensor)
        with sandboxed():
            answer = self._child.call(
                (None if known else tensor, place), lane=self._lane, longest=longest
            )
        self._sent = tensor.copy()
        return answer


def serve_votes(
    file: ModelFile, smoothing: Smoothing, batch: int, kernels: str
) -> Callable[[Any], bytes]:
    """Handler of a child's lane: (input or None for the last one, place or None) -> votes.

    A place is the arguments of ``count`` behind the input; None asks for the input's own label.
    None instead of all asks for `check_rows`.
    """
    here = _Here(file, smoothing, batch=batch, kernels=kernels)
    last: list[NDArray[np.int16]] = []

    def handle(request: Any) -> bytes:
        if request is None:
            here.check_rows()
            return b""
        tensor, place = request
        if tensor is not None:
            last[:] = [tensor]
        if place is None:
            return here.classify(last[0]).to_bytes(8, "little")
        votes = here.count(last[0], *place)
        return np.append(votes, here.evaluations).astype("<i8").tobytes()

    return handle


class VoteCounter:
    """Counts the votes of noisy copies of an input.

    Every lane has its own interpreter, so one makes noise while another infers (``invoke``
    releases the interpreter lock). The votes do not depend on lanes, processes or batch.

    Args:
        file: a checked model; a trusted one runs in this process, any other in a child.
        smoothing: how inputs are randomized.
        threads: interpreters at work in each process; all cores by default.
        batch_size: inputs per ``invoke``. A file that fixes its batch runs one by one.
        kernels: kernel family of the interpreter.
        processes: children; with more than one, trusted files run in children too.

    Attributes:
        threads: interpreters at work in all.
        batch_size: inputs per ``invoke`` that the file takes.
    """

    def __init__(
        self,
        file: ModelFile,
        smoothing: Smoothing,
        *,
        threads: int | None = None,
        batch_size: int = DEFAULT_BATCH,
        kernels: str = "xnnpack",
        processes: int = 1,
    ) -> None:
        threads = max(1, available_cores() // max(processes, 1)) if threads is None else threads
        for name, value in (
            ("threads", threads),
            ("batch_size", batch_size),
            ("processes", processes),
        ):
            if value < 1:
                raise CertifyError(f"{name} must be at least 1, received {value}")
        self.file = file
        self.threads = threads * processes
        self.batch_size = 1 if file.one_row else batch_size
        self._children: list[Child] = []
        lanes: list[_Lane]
        if file.trusted and processes == 1:
            lanes = [
                _Here(file, smoothing, batch=self.batch_size, kernels=kernels)
                for _ in range(threads)
            ]
            lanes[0].check_rows()
        else:
            lanes = self._there(smoothing, kernels, threads, processes)
        self._lanes = lanes
        self._idle: SimpleQueue[_Lane] = SimpleQueue()
        for lane in lanes:
            self._idle.put(lane)
        self._shares = Shares(self.threads, self.batch_size, aim_s=_REQUEST_S)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="votes")
        self._closed = False

    def _there(
        self, smoothing: Smoothing, kernels: str, threads: int, processes: int
    ) -> list[_Lane]:
        """The lanes of fresh children, of which one has shown that it runs."""
        file = self.file
        arguments = (file, smoothing, self.batch_size, kernels)
        children: list[Child] = []
        try:
            with sandboxed():
                for _ in range(processes):
                    limited = not file.trusted
                    children.append(Child(serve_votes, arguments, lanes=threads, limited=limited))
            lanes: list[_Lane] = [
                _There(child, lane, file, all_vote=not smoothing.threshold)
                for lane in range(threads)
                for child in children
            ]
            lanes[0].check_rows()
        except BaseException:
            for child in children:
                child.close()
            raise
        self._children = children
        return lanes

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
            int64[classes], summing to ``count``, less abstentions.

        Raises:
            CertifyError: the file refuses the inputs, or dies of them.
        """
        # The threads share one row of samples, so memory stays the same whatever the count.
        row = self._shares.row(start, count)
        stop = Event()

        def drain() -> NDArray[np.int64]:
            votes = np.zeros(self.file.classes, np.int64)
            lane = self._idle.get()
            try:
                while share := row.take():
                    if self._closed or stop.is_set():
                        raise CancelledError
                    began = time.perf_counter()
                    votes += lane.count(tensor, key, purpose, *share)
                    self._shares.took(share[1], time.perf_counter() - began)
            except CertifyError:
                if self._closed:
                    raise CancelledError from None
                raise
            finally:
                self._idle.put(lane)
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
        lane = self._idle.get()
        try:
            return lane.classify(tensor)
        finally:
            self._idle.put(lane)

    @property
    def evaluations(self) -> int:
        """Copies that networks have seen so far, those of every member of a bundle counted."""
        return sum(lane.evaluations for lane in self._lanes)

    def cpu_seconds(self) -> float:
        """Processor time of this process and of the children so far."""
        return time.process_time() + sum(child.cpu_seconds() for child in self._children)

    def close(self) -> None:
        """End the threads; a count under way in another thread raises `CancelledError`."""
        self._closed = True
        for child in self._children:
            child.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.close()

    def __enter__(self) -> VoteCounter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
