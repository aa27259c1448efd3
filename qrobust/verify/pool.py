"""Worker processes of proofs, which are Python's own work: they end with their parent."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1


@contextmanager
def processes(workers: int) -> Iterator[Executor | None]:
    """Give an executor of worker processes that end at once if anything goes wrong here.

    Args:
        workers: how many; one needs no executor and gives None.
    """
    if workers == 1:
        yield None
        return
    # Not at the top: few need it.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children, get_context

    others = set(active_children())
    context = get_context("spawn")  # interpreters have threads: forking them is not safe
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent) as executor:
        try:
            yield executor
        except BaseException:
            # Do not wait for items under way.
            executor.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - others:
                child.terminate()
            raise


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, who tidies up and says so; die when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
