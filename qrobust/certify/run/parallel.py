"""Any executor as an ordered map that holds a bounded number of items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
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
        window: items in the executor's hands at a time; what is done but not yet taken counts.
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
