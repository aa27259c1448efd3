"""Draws that a clock ends, and the same draws again where the clock is no longer there.

A deadline ends the draws of one input: then the method says what the votes so far show. That is
sound for methods whose statement holds at all moments together (`UNIFORM`), however the moment
came about. The clock runs from the moment the input was given to the moment the certificate is
ready. It is looked at between batches: what is under way when the time is up is finished, counted,
and late. So a batch is begun only where one as slow as the slowest lately would end in time. And
the last one is meant to end so much before the deadline as any of the last 100 ended too late: if
lateness has no order in time, the next is more than all of them once in 101 times.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.confidence_sequence import lower_confidence
from qrobust.certify.methods.outcome import Draws
from qrobust.certify.methods.settings import Settings
from qrobust.certify.run.image_draws import ImageDraws

Clock = Callable[[], float]

#: Of the time that is left, the part that the next draws may take: they may turn out slower.
_SHARE = 0.5
#: Certificates of which lateness is remembered: one deadline in so many may then be missed.
_REMEMBERED = 100
#: Of the deadline, what is kept at most for lateness and for what follows the last vote.
_MOST_KEPT = 0.5
#: What follows the last vote takes no less, in seconds: threads take turns.
_LEAST_S = 0.002
#: A machine that others use is late in bursts; a batch is taken to last so much longer.
_MARGIN = 1.25


def draws_in_time(
    draws: ImageDraws, settings: Settings, *, started: float, drawn: int | None = None
) -> Draws:
    """Return the draws of one certificate.

    Args:
        draws: without an end.
        settings: of the method; with no deadline the draws stay as they are.
        started: when the input was given, by `time.perf_counter`.
        drawn: fresh samples to stop after, in the place of a clock: those that a certificate with
            a deadline says.
    """
    if settings.deadline_ms is None:
        return draws
    if drawn is not None:
        return CountedDraws(draws, drawn)
    allowed, lateness = settings.deadline_ms / 1000, lateness_here()
    kept = min(settling_seconds() + lateness.worst, _MOST_KEPT * allowed)
    batch = draws.counter.batch_size
    ends, clock = started + allowed - kept, time.perf_counter
    return ClockedDraws(draws, ends=ends, batch=batch, clock=clock, lateness=lateness)


@dataclass
class Lateness:
    """How late draws ended of late, beside when they should have: of a process.

    Attributes:
        last: seconds of each of the last certificates that a clock ended, 0 or more.
    """

    last: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def worst(self) -> float:
        """The most of them."""
        return max(tuple(self.last), default=0.0)  # other threads may append meanwhile


@lru_cache(maxsize=1)
def lateness_here() -> Lateness:
    """Return this process's."""
    return Lateness()


@dataclass
class ClockedDraws:
    """Draws in batches until the time is up.

    Attributes:
        draws: without an end.
        ends: when the last vote has to be there, by the clock.
        batch: samples that are run at a time.
        clock: in seconds.
        lateness: is told how late they ended.
    """

    draws: Draws
    ends: float
    batch: int
    clock: Clock = time.perf_counter
    lateness: Lateness = field(default_factory=Lateness)
    _batch_s: float = field(default=0.0, init=False)
    _alone_s: float = field(default=0.0, init=False)

    def votes(self, purpose: Purpose, start: int, count: int) -> NDArray[np.int64]:
        """Votes of ``count`` samples, or of the first of them; of a pilot always of all."""
        if purpose == Purpose.PILOT:
            return self._timed(purpose, start, count)
        votes: NDArray[np.int64] | None = None
        drawn = 0
        while drawn < count:
            size = min(self._fitting(), count - drawn)
            if not size:
                break
            more = self._timed(purpose, start + drawn, size)
            votes = more if votes is None else votes + more
            drawn += size
        late = self.clock() - self.ends
        if drawn < count or late > 0:  # a test asks many times: what it got in time says nothing
            self.lateness.last.append(max(late, 0.0))
        return self.draws.votes(purpose, start, 0) if votes is None else votes

    def word(self) -> int:
        """Return the word of the draws."""
        return self.draws.word()

    def _fitting(self) -> int:
        """Samples that end in time: whole batches, half of what fits, none where not one does."""
        left = self.ends - self.clock()
        if left < _MARGIN * max(self._batch_s, self._alone_s):
            return 0
        return self.batch * max(1, int(_SHARE * left / max(self._batch_s, 1e-6)))

    def _timed(self, purpose: Purpose, start: int, count: int) -> NDArray[np.int64]:
        began = self.clock()
        votes = self.draws.votes(purpose, start, count)
        batches = -(-count // self.batch)
        took = (self.clock() - began) / batches
        # Slower counts at once, faster by and by.
        self._batch_s = max(took, (took + self._batch_s) / 2)
        if batches == 1:  # of many, threads do several at a time; of one there is nothing to share
            self._alone_s = took
        return votes


@dataclass
class CountedDraws:
    """The draws of a certificate that a clock ended, again: so many fresh samples.

    Attributes:
        draws: without an end.
        drawn: fresh samples.
    """

    draws: Draws
    drawn: int

    def votes(self, purpose: Purpose, start: int, count: int) -> NDArray[np.int64]:
        """Votes of ``count`` samples, or of the first of them; of a pilot always of all."""
        if purpose == Purpose.BOUND:
            count = min(count, max(self.drawn - start, 0))
        return self.draws.votes(purpose, start, count)

    def word(self) -> int:
        """Return the word of the draws."""
        return self.draws.word()


@lru_cache(maxsize=1)
def settling_seconds() -> float:
    """Seconds to keep for what follows the last vote: twice what a bound of many votes takes."""
    began = time.perf_counter()
    lower_confidence.__wrapped__(90_000, 100_000, Fraction(1, 1000))
    return max(2 * (time.perf_counter() - began), _LEAST_S)
