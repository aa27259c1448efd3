"""What a child does: one handler a lane, fed by requests until the lanes close.

Requests come from the process that made this one and are pickled; answers go to a process that
trusts nothing from here and are plain bytes.
"""

import os
import pickle
import socket
import threading
from collections.abc import Callable
from typing import Any

from tflite_export.sandbox import frames

#: First byte of an answer.
OK, REFUSED = b"\0", b"\1"
_LONGEST_TEXT = 500

#: Answers one request.
Handler = Callable[[Any], bytes]


def serve(lanes: list[socket.socket]) -> None:
    """Serve every lane in a thread of its own; the first message of the first makes handlers."""
    try:
        factory, arguments = pickle.loads(frames.receive(lanes[0]))  # noqa: S301 our own parent's
    except frames.ClosedError:
        return
    threads = [
        threading.Thread(target=_lane, args=(lane, factory, arguments), daemon=True)
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _lane(
    place: socket.socket, factory: Callable[..., Handler], arguments: tuple[Any, ...]
) -> None:
    handler: Handler | None = None
    try:
        while True:
            request = pickle.loads(frames.receive(place))  # noqa: S301 our own parent's
            try:
                if handler is None:
                    handler = factory(*arguments)
                answer = OK + handler(request)
            except Exception as error:  # whatever a file can break is a refusal to the parent
                answer = REFUSED + _one_line(error)
            frames.send(place, answer)
    except frames.ClosedError:
        return
    except BaseException:
        os._exit(1)  # the parent sees a dead child, not one that is silent


def _one_line(error: Exception) -> bytes:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST_TEXT].encode(errors="replace")
