"""Any executor as an ordered map that holds a bounded number of items; worker processes."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, window: int
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in order.

    Args:
        executor: any ``concurrent.futures`` executor.
        function: what to run there.
        items: drawn from only as results are taken.
        window: items in the executor's hands at a time.
    """
    waiting: deque[Future[Result]] = deque()
    rest = iter(items)
    try:
        while True:
            while len(waiting) < window:
                try:
                    waiting.append(executor.submit(function, next(rest)))
                except StopIteration:
                    break
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def processes(workers: int) -> Iterator[Executor | None]:
    """Give an executor of worker processes that end at once if anything goes wrong here.

    Args:
        workers: how many; one needs no executor and gives None.
    """
    if workers == 1:
        yield None
        return
    # Not at the top: few need it, and it slows every import of this package.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children, get_context

    others = set(active_children())
    # Interpreters have threads of their own: forking them is not safe.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_signals) as executor:
        try:
            yield executor
        except BaseException:
            # Do not wait for items under way.
            executor.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - others:
                child.terminate()
            raise


def _leave_signals() -> None:
    """Leave Ctrl-C to the parent, who tidies up and says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
