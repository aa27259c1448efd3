"""How many samples go to an interpreter at a time."""

from __future__ import annotations

import os
from threading import Lock


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Shares:
    """Sizes of requests: long enough to hide a message, short enough to stop, and even at the end.

    What is counted does not depend on the sizes.

    Args:
        lanes: interpreters that share the work.
        batch: samples of one ``invoke``; shares are multiples of it.
        aim_s: seconds that a request should take.
    """

    def __init__(self, lanes: int, batch: int, *, aim_s: float) -> None:
        self._lanes, self._batch, self._aim_s = lanes, batch, aim_s
        self._most = batch

    def row(self, start: int, count: int) -> Row:
        """Return samples ``start`` to ``start + count - 1``, to be taken by many threads."""
        return Row(self, start, start + count)

    def took(self, size: int, seconds: float) -> None:
        """Learn from a request of ``size`` samples. Threads may race here: it is a guess anyway."""
        if size < self._most:
            return
        if 2 * seconds < self._aim_s:
            self._most = 2 * size
        elif seconds > 2 * self._aim_s:
            self._most = max(self._batch, size // 2 // self._batch * self._batch)

    def size(self, left: int) -> int:
        """Return the next share of what is left: a part of a lane's part, in whole batches."""
        even = -(-left // (2 * self._lanes))
        batches = -(-min(even, self._most) // self._batch)
        return min(batches * self._batch, left)


class Row:
    """Consecutive samples that threads take shares of; see `Shares`."""

    def __init__(self, shares: Shares, start: int, end: int) -> None:
        self._shares, self._next, self._end = shares, start, end
        self._lock = Lock()

    def take(self) -> tuple[int, int] | None:
        """Return the first and the number of samples of a share, None when all are taken."""
        with self._lock:
            left = self._end - self._next
            if left <= 0:
                return None
            size = self._shares.size(left)
            first, self._next = self._next, self._next + size
            return first, size
