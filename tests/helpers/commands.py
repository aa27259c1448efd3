"""Commands in processes of their own, as a shell starts them."""

import os
import signal
import subprocess
import sys

CERTIFY = (sys.executable, "-m", "qrobust.certify")
QROBUST = (sys.executable, "-m", "qrobust.cli")


def default_signals():
    """In a child before it runs: Ctrl-C counts even where this suite runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def ignored_signals():
    """As a shell starts scripts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start(*command, signals=default_signals, **options):
    """Start a command in a session of its own, with the paths of this process."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [os.fspath(word) if not isinstance(word, bytes) else word for word in command],
        start_new_session=True,
        preexec_fn=signals,  # noqa: PLW1509 no threads here that could hold a lock
        env=environment,
        **options,
    )


def run(*command, timeout=120, **options):
    """Run a command to its end: (status, standard output, standard error)."""
    process = start(*command, **options)
    out, errors = process.communicate(timeout=timeout)
    return process.returncode, out, errors
