"""Signals in the first moment of a command."""

import os
import signal
import sys

import pytest
from commands import ignored_signals, start

PROGRAM = (
    "import sys, time\nfrom qrobust.first_moment import take_signals\ntake_signals()\n"
    "print('ready', flush=True)\ntime.sleep(60)"
)


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "terminated\n")],
)
def test_one_line_at_once(number, status, line):
    process = start(sys.executable, "-S", "-c", PROGRAM)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (status, line)


def test_what_was_ignored_stays_ignored():
    process = start(sys.executable, "-c", PROGRAM, signals=ignored_signals)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (143, "terminated\n")


def test_a_library_changes_no_handler():
    import qrobust.cli  # noqa: F401

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
