"""Messages on a stream socket: a length, then so many bytes; nobody waits for ever."""

import socket
import struct
import time

_LENGTH = struct.Struct("<Q")
#: Seconds more for an answer that may have come while this process was stopped (Ctrl-Z).
_GRACE_S = 1.0


class ClosedError(Exception):
    """The other end is gone."""


class TooLongError(Exception):
    """The other end announces more than it may say."""


def send(place: socket.socket, content: bytes) -> None:
    """Send one message; `ClosedError` where nobody is left to read it."""
    try:
        # At once: every send wakes the reader, and waking it costs more than copying.
        place.sendall(_LENGTH.pack(len(content)) + content)
    except TimeoutError:
        raise
    except OSError:
        raise ClosedError from None


def receive(
    place: socket.socket, limit_s: float | None = None, longest: int = 1 << 62
) -> bytearray:
    """Return the next message.

    Args:
        place: the socket.
        limit_s: seconds until the whole message has to be there; None waits for ever.
        longest: most bytes that it may have.

    Raises:
        ClosedError: the other end closed.
        TooLongError: it announces more than ``longest`` bytes.
        TimeoutError: after ``limit_s``.
    """
    end = None if limit_s is None else time.monotonic() + limit_s
    (length,) = _LENGTH.unpack(_exactly(place, _LENGTH.size, end))
    if length > longest:
        raise TooLongError
    return _exactly(place, length, end)


def _exactly(place: socket.socket, size: int, end: float | None) -> bytearray:
    content = bytearray(size)
    rest = memoryview(content)
    late = False
    while rest:
        if end is not None:
            place.settimeout(max(end - time.monotonic(), 1e-3))
        try:
            got = place.recv_into(rest)
        except TimeoutError:
            if late or end is None:
                raise
            late, end = True, time.monotonic() + _GRACE_S
            continue
        except OSError:
            raise ClosedError from None
        if not got:
            raise ClosedError
        rest = rest[got:]
    return content
