"""Handlers for tests of children; a child imports them from here."""

import os
import signal
import time


def obey(word):
    """Does what it is told, as native code that went wrong would."""

    def handle(request):
        match request:
            case "die":
                os.kill(os.getpid(), signal.SIGSEGV)
                time.sleep(60)
            case "abort":
                os.abort()
            case "hang":
                time.sleep(60)
            case "raise":
                raise ValueError("first line\nsecond line")
            case "allocate":
                return bytes(5 << 30)
            case "write":
                with open(
                    "/dev/shm/qrobust-test" if os.path.isdir("/dev/shm") else "/tmp/q", "wb"
                ) as f:
                    f.write(b"1")
            case "talk":
                return bytes(1000)
            case "pid":
                return str(os.getpid()).encode()
            case "print":
                os.write(1, b"out")
                os.write(2, b"err")
        return f"{word} {request}".encode()

    return handle


def broken():
    """A factory that gives no handler."""
    raise RuntimeError("no handler")
