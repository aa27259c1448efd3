"""A process for native code that strangers' files reach, as this process sees it."""

import atexit
import contextlib
import json
import os
import pickle
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tflite_export.sandbox import frames
from tflite_export.sandbox.errors import RefusedError, SandboxError
from tflite_export.sandbox.limits import ANSWER_S, memory_limit
from tflite_export.sandbox.serve import OK, Handler
from tflite_export.sandbox.template import MOST_FDS

#: Lanes of one child; one more file descriptor travels with them.
MOST_LANES = MOST_FDS - 1
_START_S = 60.0
_FAREWELL_S = 1.0
_BURIAL_S = 10.0
_CPUCLOCK_SCHED = 2
# Not -m: the child must find this package where this process found it.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "import runpy; runpy.run_module('tflite_export.sandbox.template', run_name='__main__')"
)


class _Template:
    """The process that forks the children; made when first used."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(_START_S)
        self.lock = threading.Lock()
        # Numerical libraries would start threads, and a process that forks has none.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with theirs:
            fd = theirs.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(fd), str(os.getpid()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[fd],
                env=environment,
                # A Ctrl-C in the terminal is for this process, which then ends the others.
                start_new_session=True,
            )

    def fork(self, module: str, memory: int, fds: list[int]) -> int:
        with self.lock:
            socket.send_fds(self.control, [f"fork {memory} {module}".encode()], fds)
            answer = self.control.recv(64)
            if not answer:
                raise BrokenPipeError
            return int(answer)

    def kill(self, child: int) -> None:
        with self.lock, contextlib.suppress(OSError):
            self.control.send(f"kill {child}".encode())

    def stop(self) -> None:
        self.control.close()
        try:
            self.process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            # It is still importing, or was stopped. The kernel ends its children with it.
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_BURIAL_S)


_template: _Template | None = None
_template_lock = threading.Lock()


def _running_template() -> _Template:
    global _template
    with _template_lock:
        if _template is None or _template.process.poll() is not None:
            _template = _Template()
        return _template


def _stop_template() -> None:
    global _template
    with _template_lock:
        if _template is not None:
            _template.stop()
            _template = None


def _forget_template() -> None:
    """In a fork of this process: the template belongs to the original."""
    global _template, _template_lock
    _template_lock = threading.Lock()
    if _template is not None:
        _template.control.close()
        _template.process.returncode = 0  # not this process's to wait for
        _template = None


atexit.register(_stop_template)
os.register_at_fork(after_in_child=_forget_template)


class Child:
    """A process that answers requests on lanes, each with a handler of its own.

    Different threads may use different lanes at a time.

    Args:
        factory: makes a lane's handler in the child; a function of a module.
        arguments: of the factory; sent once.
        lanes: how many, at most `MOST_LANES`.
        limited: whether its memory is limited and it may not write files.

    Raises:
        SandboxError: no process can be started here.
    """

    def __init__(
        self,
        factory: Callable[..., Handler],
        arguments: tuple[Any, ...],
        *,
        lanes: int = 1,
        limited: bool = True,
    ) -> None:
        if not 1 <= lanes <= MOST_LANES:
            raise SandboxError(f"a process has 1 to {MOST_LANES} lanes, received {lanes}")
        self._closed = False
        self._status, status = os.pipe()
        pairs = [socket.socketpair() for _ in range(lanes)]
        self._lanes = [mine for mine, _ in pairs]
        try:
            self._template = _running_template()
            self._pid = self._template.fork(
                factory.__module__,
                memory_limit() if limited else 0,
                [status, *(theirs.fileno() for _, theirs in pairs)],
            )
            for _, theirs in pairs:
                theirs.close()
            frames.send(self._lanes[0], pickle.dumps((factory, arguments)))
        except (OSError, frames.ClosedError) as error:
            self._release()
            raise SandboxError(
                f"cannot start a process to run the file in ({error or 'it ended'})"
            ) from None
        finally:
            os.close(status)
            for _, theirs in pairs:
                theirs.close()

    def call(
        self,
        request: Any,
        *,
        lane: int = 0,
        limit_s: float = ANSWER_S,
        longest: int = 1 << 20,
    ) -> memoryview:
        """Return a lane's answer.

        Args:
            request: for its handler; pickled.
            lane: which.
            limit_s: seconds that the answer may take; the child ends after them.
            longest: most bytes that the answer may have.

        Raises:
            RefusedError: the handler raised; the message is its.
            SandboxError: the child died, hung, was closed or says too much.
        """
        place = self._lanes[lane]
        try:
            place.settimeout(limit_s)
            frames.send(place, pickle.dumps(request, pickle.HIGHEST_PROTOCOL))
            answer = memoryview(frames.receive(place, limit_s, longest + 1))
        except TimeoutError:
            self.kill()
            raise SandboxError(f"running it takes more than {limit_s:g} s") from None
        except frames.TooLongError:
            self.kill()
            raise SandboxError("it answers more than it can have to say") from None
        except (frames.ClosedError, OSError):
            raise SandboxError(self._epitaph()) from None
        if answer[:1] != OK:
            text = bytes(answer[1:]).decode(errors="replace")
            raise RefusedError(text or "no reason given")
        return answer[1:]

    def cpu_seconds(self) -> float:
        """Processor time of its threads so far, also of those that ended; Linux only."""
        # What clock_getcpuclockid(3) gives there; Python wraps its twin for threads alone.
        return time.clock_gettime(~self._pid << 3 | _CPUCLOCK_SCHED)

    def kill(self) -> None:
        """End the process now, whatever it does; calls under way raise `SandboxError`."""
        self._template.kill(self._pid)

    def close(self) -> None:
        """End the process and let go of it; no other thread may be in a call."""
        if not self._closed:
            self.kill()
            self._release()

    def _release(self) -> None:
        self._closed = True
        os.close(self._status)
        for lane in self._lanes:
            lane.close()

    def _epitaph(self) -> str:
        """Why the child is dead."""
        if self._closed:
            return "the process that ran it was closed"
        ready, _, _ = select.select([self._status], [], [], _BURIAL_S)
        text = os.read(self._status, 16).decode() if ready else ""
        code = int(text) if text else 0
        if code < 0:
            return f"running it ends the interpreter with signal {-code}"
        return "running it ends the interpreter"

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()
