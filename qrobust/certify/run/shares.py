"""How many samples go to an interpreter at a time."""

from __future__ import annotations

import os
from threading import Lock

#: No request is measured shorter.
_CLOCK_S = 1e-6
#: A request has at most so many times the samples of the one before.
_GROWTH = 8
#: A quick request takes so much less time than a long one.
_QUICK = 16


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Shares:
    """Sizes of requests: long enough to hide a message, short enough to stop, and even at the end.

    What is counted does not depend on the sizes.

    Args:
        lanes: interpreters that share the work.
        batch: samples of one ``invoke``; shares are multiples of it.
        aim_s: seconds that a request should take at most.
    """

    def __init__(self, lanes: int, batch: int, *, aim_s: float) -> None:
        self._lanes, self._batch, self._aim_s = lanes, batch, aim_s
        self._most = batch

    def row(self, start: int, count: int) -> Row:
        """Return samples ``start`` to ``start + count - 1``, to be taken by many threads."""
        return Row(self, start, start + count)

    def took(self, size: int, seconds: float) -> None:
        """Learn from a request of ``size`` samples. Threads may race here: it is a guess anyway."""
        fitting = int(size * self._aim_s / max(seconds, _CLOCK_S))
        # A short request says how long a message takes, not how long many samples take.
        if size >= self._most:
            self._most = max(self._batch, min(fitting, _GROWTH * size))
        elif 2 * fitting < self._most:
            self._most = max(self._batch, self._most // 2)

    def least(self, count: int) -> int:
        """Return the least that a share of ``count`` samples should have.

        One lane has nobody to wait for. Of many, one waits for another no longer than for a quick
        request, which is less than more messages would take.
        """
        part = -(-count // self._lanes)
        return part if self._lanes == 1 else min(part, self._most // _QUICK)

    def size(self, left: int, least: int) -> int:
        """Return the next share of what is left, in whole batches.

        Half of a lane's part, so that lanes of unequal speed end together.
        """
        even = -(-left // (2 * self._lanes))
        batches = -(-min(max(even, least), self._most) // self._batch)
        return min(batches * self._batch, left)


class Row:
    """Consecutive samples that threads take shares of; see `Shares`."""

    def __init__(self, shares: Shares, start: int, end: int) -> None:
        self._shares, self._next, self._end = shares, start, end
        self._least = shares.least(end - start)
        self._lock = Lock()

    def take(self) -> tuple[int, int] | None:
        """Return the first and the number of samples of a share, None when all are taken."""
        with self._lock:
            left = self._end - self._next
            if left <= 0:
                return None
            size = self._shares.size(left, self._least)
            first, self._next = self._next, self._next + size
            return first, size
