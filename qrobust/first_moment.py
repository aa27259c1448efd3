"""Ctrl-C and SIGTERM while a command imports what it needs: one line, from its first moment on.

`signal` itself imports `enum` and all that this needs, a good part of a small command's start. What
it is made of is there already, and so is `os`.
"""

import os  # here: a handler that met it half imported would fail
import sys


def take_signals() -> None:
    """End this process with a line and status 128 + number; what is ignored stays ignored."""
    made_of = sys.modules.get("_signal")
    if made_of is None:  # another Python than CPython
        return
    for number in (made_of.SIGINT, made_of.SIGTERM):
        if made_of.getsignal(number) in (made_of.SIG_DFL, made_of.default_int_handler):
            made_of.signal(number, _leave)


def _leave(number: int, frame: object) -> None:
    try:
        os.write(2, b"interrupted\n" if number == 2 else b"terminated\n")
    finally:
        os._exit(128 + number)
