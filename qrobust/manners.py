"""How a command of this package behaves among others in a shell.

From its first moment: Ctrl-C and SIGTERM end it with one line and status 130 or 143, at once while
it only loads, through ``KeyboardInterrupt`` once it works, at once again for whoever asks twice
and where that exception got lost on its way (foreign code may swallow it) for ten seconds.
A signal that was ignored at the start (a script in the background, ``nohup``) stays ignored. A
reader that has enough (``| head``) ends it silently with status 141, as SIGPIPE does. A standard
stream that is closed is a bottomless one: no file of ours takes its place. What cannot be written
to standard output, and what does not fit into memory, is one line and status 2.

Only a process of its own is treated so; nothing happens on import.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress

TYPE_CHECKING = False  # as typing's, without its import: see qrobust
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

#: Stands for standard output where an error names a file.
OUTPUT = "<stdout>"
#: Seconds that an interrupted command may take to end by itself.
PATIENCE_S = 10.0
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class _Ending:
    """What happens when a signal asks the process to end."""

    def __init__(self) -> None:
        self.working = False
        self.asked = 0

    def handle(self, number: int, frame: FrameType | None) -> None:
        first, self.asked = not self.asked, number
        if first and self.working:
            if hasattr(signal, "setitimer"):
                signal.signal(signal.SIGALRM, lambda *_: self.leave(number))
                signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
            raise KeyboardInterrupt
        self.leave(number)

    def leave(self, number: int) -> None:
        """End now. Journals are whole at any moment, and children end with their parent."""
        word = _WORDS[signal.Signals(number)]
        try:
            os.write(2, f"{word}\n".encode())
        finally:
            os._exit(128 + number)

    def unraisable(self, found: Any) -> None:
        """An interrupt that fell into a destructor would be lost there, with a traceback."""
        if isinstance(found.exc_value, KeyboardInterrupt) and self.asked:
            self.leave(self.asked)
        sys.__unraisablehook__(found)


def behave(load: Callable[[], Callable[[], int]]) -> int:
    """Load a command, run it, and return the exit status.

    Args:
        load: imports what the command needs and returns it.
    """
    ending = _Ending()
    for number in _WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, ending.handle)
    sys.unraisablehook = ending.unraisable
    _open_streams()
    status = _run(load, ending)
    if ending.asked and status:
        status = 128 + ending.asked
    return _flushed(status)


def _run(load: Callable[[], Callable[[], int]], ending: _Ending) -> int:
    try:
        command = load()
        ending.working = True
        status = command()
        ending.working = False
        return status
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException as error:
        if ending.asked or isinstance(error, KeyboardInterrupt):
            # Whatever an interrupted import or library made of it.
            number = signal.Signals(ending.asked or signal.SIGINT)
            say(_WORDS[number])
            return 128 + number
        if isinstance(error, OSError | MemoryError):
            say(f"error: {refusal(error)}")
            if isinstance(error, OSError) and error.filename == OUTPUT:
                _forget_output()
            return BAD_INPUT
        raise
    finally:
        ending.working = False  # from here on a signal ends the process at once
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _open_streams() -> None:
    """Make 0, 1 and 2 open files, and printable what is printed."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: fd
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # Names of files may be any bytes; showing one must not fail.
            reconfigure(errors="backslashreplace")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.fileno() == 1:
        sys.stdout = _reopened(sys.stdout)


class _Output(io.FileIO):
    """Standard output, whose errors say that they are its own."""

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            error.filename = OUTPUT
            raise


def _reopened(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    raw, unbuffered = _Output(1, "w", closefd=False), stream.write_through
    held: Any = raw if unbuffered else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        held,
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=unbuffered,
    )


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except OSError as error:
        _forget_output()
        say(f"error: {refusal(error)}")
        status = status or BAD_INPUT
    try:
        sys.stderr.flush()
    except OSError:
        _forget(2)  # what could not be said is in its buffer still
    return status


def say(line: str) -> None:
    """Print a line on standard error, if that takes one."""
    with suppress(OSError):
        print(line, file=sys.stderr)


def refusal(error: BaseException) -> str:
    """What a line says of an error that ends a command: what, where, what to do."""
    from tflite_export.printable import one_line, printable

    if isinstance(error, MemoryError):
        held = f" ({one_line(error)})" if str(error) else ""
        return (
            f"out of memory in {_place(error)}{held}: give fewer or smaller inputs, or fewer "
            "--workers, --threads, a smaller --batch where the command has them"
        )
    if isinstance(error, OSError) and error.strerror:
        if error.filename in (None, OUTPUT):
            return f"{'stdout: ' if error.filename else ''}{error.strerror}"
        other = "" if error.filename2 is None else f" -> '{printable(error.filename2)}'"
        return f"'{printable(os.fsdecode(_name(error.filename)))}'{other}: {error.strerror}"
    return one_line(error)


def _name(filename: Any) -> str | bytes:
    return filename if isinstance(filename, str | bytes) else str(filename)


def _place(error: BaseException) -> str:
    """The innermost module of ours that an error came through."""
    found, step = "this command", error.__traceback__
    while step is not None:
        name = str(step.tb_frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] in ("qrobust", "tflite_export"):
            found = name
        step = step.tb_next
    return found


def _forget_output() -> None:
    _forget(1)


def _forget(stream: int) -> None:
    """Nobody reads it, and the interpreter's own flush at the end would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
