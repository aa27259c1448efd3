"""As many samples as the radius is worth: sizes chosen from a pilot, bounds from fresh samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt

import numpy as np

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS
from qrobust.certify.arithmetic.radius import probability_bound, quantile_q16
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.outcome import Draws, Outcome, bounded
from qrobust.certify.smoothings.smoothing import Smoothing

_ONE = 1 << PROBABILITY_BITS

#: An anytime pilot grows until it is this share of the samples it asks for.
_PILOT_SHARE = 8


@dataclass(frozen=True)
class Anytime:
    """Choose ``n`` from the pilot so that more samples would hardly help, then bound afresh.

    The pilot doubles until it is an eighth of what it asks for. Its share of votes predicts the
    radius of every size on a ladder; the smallest is taken whose radius is within ``gain`` of the
    largest size's. The fresh samples know nothing of the pilot's, so the bound is Clopper and
    Pearson's, whatever the choice.

    Attributes:
        smoothing: of the inputs.
        n0: pilot samples to start with.
        ladder: sizes to choose from, rising by about half.
        levels: error probability after charges, per size.
        gain: share of the radius.
    """

    smoothing: Smoothing
    n0: int
    ladder: tuple[int, ...]
    levels: tuple[Fraction, ...]
    gain: Fraction

    def run(self, draws: Draws) -> Outcome:
        """Certify one image."""
        pilot = draws.votes(Purpose.PILOT, 0, self.n0)
        drawn = self.n0
        while True:
            candidate = int(np.argmax(pilot))
            size = self.choose(int(pilot[candidate]), drawn)
            if self.ladder[size] <= _PILOT_SHARE * drawn:
                break
            pilot = pilot + draws.votes(Purpose.PILOT, drawn, drawn)
            drawn *= 2
        n, level = self.ladder[size], self.levels[size]
        votes = draws.votes(Purpose.BOUND, 0, n)
        lower = probability_bound(int(votes[candidate]), n, level)
        return bounded(candidate, self.smoothing.radius_q16(lower, _ONE - lower), votes, pilot)

    def asks_for(self, pilot: Sequence[int]) -> int | None:
        """Return the samples that a finished pilot asks for; None where it is not finished.

        Args:
            pilot: votes of its samples, one count per class.
        """
        n = self.ladder[self.choose(max(pilot), sum(pilot))]
        return n if n <= _PILOT_SHARE * sum(pilot) else None

    def choose(self, votes: int, drawn: int) -> int:
        """Return the place on the ladder that ``votes`` of ``drawn`` pilot samples ask for."""
        radii = [
            self._radius(votes, drawn, n, level)
            for n, level in zip(self.ladder, self.levels, strict=True)
        ]
        enough = radii[-1] * (1 - self.gain)
        # Where even the largest size would abstain, the smallest will do.
        return next(i for i, radius in enumerate(radii) if radius >= enough)

    def _radius(self, votes: int, drawn: int, n: int, level: Fraction) -> int:
        """Radius that ``n`` samples would give if they voted as the pilot did, roughly."""
        lower = wilson_lower(votes, drawn, n, level)
        return max(self.smoothing.radius_q16(lower, _ONE - lower), 0)


@lru_cache(maxsize=1 << 14)  # few pilots differ, and each asks for every size
def wilson_lower(votes: int, drawn: int, n: int, level: Fraction) -> int:
    r"""Lower end of Wilson's score interval for ``n`` samples, in units of ``2**-48``.

    .. math:: \left(\hat p + \frac{z^2}{2n} - z \sqrt{\frac{\hat p \hat q}{n} +
              \frac{z^2}{4 n^2}}\right) / \left(1 + \frac{z^2}{n}\right)

    A forecast, not a bound: it is near Clopper and Pearson's and takes a few integer operations,
    the same on every machine.

    Args:
        votes: of the pilot, for the class.
        drawn: samples of the pilot.
        n: samples to forecast for.
        level: error probability.

    References:
        Wilson, JASA 22 (1927).
    """
    z_q16 = quantile_q16(_ONE - int(level * _ONE), Fraction(1))
    z = Fraction(z_q16 or 0, 1 << 16)
    # Half a vote on either side keeps a unanimous pilot from promising everything.
    p = Fraction(2 * votes + 1, 2 * (drawn + 1))
    root = isqrt(int((p * (1 - p) / n + z * z / (4 * n * n)) * _ONE * _ONE))
    lower = (p + z * z / (2 * n) - z * Fraction(root, _ONE)) / (1 + z * z / n)
    return max(int(lower * _ONE), 0)


def ladder(first: int, last: int) -> tuple[int, ...]:
    """Return sizes from about ``first`` to ``last``, each half as large again as the one before."""
    sizes = []
    size = first
    while size < last:
        sizes.append(size)
        size += (size + 1) // 2
    return (*sizes, last)
