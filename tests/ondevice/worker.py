"""A child process that answers requests in JSON lines."""

import collections
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from .runtime import RunFailed

_SHOWN_LINES = 5


class Worker:
    """Sends one request at a time and waits for its answer.

    A request is one JSON object on a line of the child's standard input. The child writes any
    number of `{"done": count}` lines while it works, then `{"ok": true}` or `{"error": text}`.
    It has to end when its standard input does, so that it never outlives this process for long.
    """

    def __init__(
        self, command: Sequence[str], *, silence_s: float, env: Mapping[str, str] | None = None
    ):
        """Starts the child.

        Args:
            command: Program and arguments.
            silence_s: Seconds without a line after which a request has failed.
            env: The child's whole environment; this process's when None.
        """
        self._silence_s = silence_s
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: collections.deque[str] = collections.deque(maxlen=_SHOWN_LINES)
        self._process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for target, stream in (
            (self._read_answers, self._process.stdout),
            (self._read_complaints, self._process.stderr),
        ):
            threading.Thread(target=target, args=(stream,), daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the child can take another request."""
        return self._process.poll() is None

    def request(
        self, message: Mapping[str, Any], on_done: Callable[[int], None] = lambda _: None
    ) -> None:
        """Sends `message` and returns when the child has answered `{"ok": true}`.

        Args:
            message: What the child is to do.
            on_done: Called with each count that the child reports.

        Raises:
            RunFailed: When the child reports an error, dies or falls silent. In the last two
                cases it is gone afterwards.
        """
        try:
            stdin = self._process.stdin
            if stdin is None:
                raise RunFailed("the worker has no standard input")
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise RunFailed(self._obituary()) from error
        while True:
            answer = self._next_answer()
            if "done" in answer:
                on_done(int(answer["done"]))
            elif "error" in answer:
                raise RunFailed(str(answer["error"]))
            else:
                return

    def close(self) -> None:
        """Ends the child."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass

    def _next_answer(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=self._silence_s)
        except queue.Empty:
            self.close()
            raise RunFailed(f"no word for {self._silence_s:g} s; ended") from None
        if line is None:
            raise RunFailed(self._obituary())
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            self.close()
            raise RunFailed(f"an answer that is not a JSON object: {line!r}")
        return answer

    def _obituary(self) -> str:
        status = self._process.wait(timeout=self._silence_s)
        return f"ended with status {status}: {' | '.join(self._said) or 'it wrote nothing'}"

    def _read_answers(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def _read_complaints(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                if line.strip():
                    self._said.append(line.strip())


def worker_file(name: str) -> str:
    """Returns the path of a worker's source in this folder."""
    return str(Path(__file__).resolve().with_name(name))
