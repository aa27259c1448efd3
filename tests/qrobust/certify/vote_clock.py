"""A clock that goes by the votes, so that what a deadline does depends on no machine."""

from contextlib import contextmanager

import pytest

from qrobust.certify.run import certifier, deadline
from qrobust.certify.run.image_draws import ImageDraws


class VoteClock:
    """Every vote takes ten microseconds, of two images in three half as long again.

    A batch takes as long as a whole one, however few are asked for: it is run whole.
    """

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@contextmanager
def clock_of_votes():
    """Let deadlines go by such a clock, with nothing remembered of other certificates."""
    clock, votes = VoteClock(), ImageDraws.votes

    def taking_time(self, purpose, start, count):
        batch = self.counter.batch_size
        clock.now += -(-count // batch) * batch * 1e-5 * (1.5 if self.source.index % 3 else 1.0)
        return votes(self, purpose, start, count)

    def forget():
        deadline.settling_seconds.cache_clear()
        deadline.lateness_here.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        for module in (certifier, deadline):
            patch.setattr(module, "time", clock)
        patch.setattr(ImageDraws, "votes", taking_time)
        forget()
        yield clock
        forget()
