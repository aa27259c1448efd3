"""The process that children are forked from: imports once, runs nothing of anybody's.

It has one thread, so forking it is safe, and a child costs milliseconds instead of the imports.
Its ends are tied: it lives as long as the process that started it (whose end of the socket closes,
however that process dies), and the kernel kills its children when it goes.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
from importlib import import_module

from tflite_export.sandbox.limits import restrict
from tflite_export.sandbox.serve import serve

_PR_SET_PDEATHSIG = 1
#: File descriptors that one message may carry (SCM_MAX_FD).
MOST_FDS = 253
_REQUEST = 4096
_DEVNULL = "/dev/null"
_ALL_NEED = ("numpy", "ai_edge_litert.interpreter")


def main(control: socket.socket, parent: int) -> None:
    """Fork a child for every ``fork`` on the control socket until it closes.

    ``fork MEMORY MODULE`` comes with the file descriptors of a status pipe and of the child's
    lanes; the answer is the child's process id. When the child is dead, its return code as
    `subprocess` counts it is written to the pipe. ``kill PID`` ends a child that is still here.

    Args:
        control: socket whose other end the parent holds.
        parent: its process id.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when this ends
    for name in _ALL_NEED:
        _preload(name)
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    status: dict[int, int] = {}
    while os.getppid() == parent:
        ready, _, _ = select.select([control, wake], [], [], 5)
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(_REQUEST)
            _bury(status)
        if control not in ready:
            continue
        try:
            request, fds, _, _ = socket.recv_fds(control, _REQUEST, MOST_FDS)
        except OSError:
            break
        words = request.decode().split()
        if not words:
            break
        if words[0] == "kill":
            if int(words[1]) in status:  # not yet buried: the number is still its own
                os.kill(int(words[1]), signal.SIGKILL)
            continue
        _preload(words[2])
        child = os.fork()
        if child == 0:
            for end in (control, wake, woken):
                end.close()
            for fd in status.values():
                os.close(fd)
            os.close(fds[0])
            _child(fds[1:], int(words[1]))
        status[child] = fds[0]
        for fd in fds[1:]:
            os.close(fd)
        control.send(str(child).encode())
    for child in status:
        os.kill(child, signal.SIGKILL)


def _preload(name: str) -> None:
    """Import once for all children; where that fails, they say so themselves."""
    with contextlib.suppress(Exception):
        import_module(name)


def _bury(status: dict[int, int]) -> None:
    """Collect the dead and tell the parent what they died of."""
    while status:
        child, code = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        fd = status.pop(child)
        with contextlib.suppress(OSError):
            os.write(fd, str(os.waitstatus_to_exitcode(code)).encode())
        os.close(fd)


def _child(lanes: list[int], memory: int) -> None:
    """The life of a child; never returns."""
    try:
        template = os.getppid()
        # The template has one thread: no thread of it can end and take the children along.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != template or template == 1:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        silent = os.open(_DEVNULL, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(silent, fd)
        if memory:
            restrict(memory)
        serve([socket.socket(fileno=fd) for fd in lanes])
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
