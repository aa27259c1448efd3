"""Bounds from a fixed number of samples: Clopper and Pearson's, plain, randomized or two-sided."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, WHOLE
from qrobust.certify.arithmetic.radius import probability_bound
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.outcome import Draws, Outcome, bounded
from qrobust.certify.smoothings.smoothing import Smoothing

_ONE = 1 << PROBABILITY_BITS


@dataclass(frozen=True)
class ClopperPearson:
    """Cohen's CERTIFY: ``n`` samples, an exact lower bound, ``p_B = 1 - p_A``.

    Attributes:
        smoothing: of the inputs.
        n0: pilot samples.
        n: samples of the bound.
        level: error probability after charges.
        randomized: use Stevens's randomized bound.
    """

    smoothing: Smoothing
    n0: int
    n: int
    level: Fraction
    randomized: bool = False

    def run(self, draws: Draws) -> Outcome:
        """Certify one image."""
        pilot = draws.votes(Purpose.PILOT, 0, self.n0)
        candidate = int(np.argmax(pilot))
        votes = draws.votes(Purpose.BOUND, 0, self.n)
        # One more than a uniform word: never below the uniform it stands for.
        weight = draws.word() + 1 if self.randomized else WHOLE
        lower = probability_bound(int(votes[candidate]), self.n, self.level, weight=weight)
        return bounded(candidate, self.smoothing.radius_q16(lower, _ONE - lower), votes, pilot)


@dataclass(frozen=True)
class TwoClass:
    """A bound of its own for the runner-up: certifies also where ``p_A < 1/2``.

    Half of the level bounds the class from below; the other half, shared by the other classes,
    bounds each of them from above, so it does not matter which of them is the true runner-up.

    Attributes:
        smoothing: of the inputs.
        n0: pilot samples.
        n: samples of the bound.
        level: error probability after charges.
        classes: of the model.
    """

    smoothing: Smoothing
    n0: int
    n: int
    level: Fraction
    classes: int

    def run(self, draws: Draws) -> Outcome:
        """Certify one image."""
        pilot = draws.votes(Purpose.PILOT, 0, self.n0)
        candidate = int(np.argmax(pilot))
        votes = draws.votes(Purpose.BOUND, 0, self.n)
        lower = probability_bound(int(votes[candidate]), self.n, self.level / 2)
        second = int(np.delete(votes, candidate).max())
        share = self.level / (2 * (self.classes - 1))
        upper = _ONE - probability_bound(self.n - second, self.n, share)
        radius = self.smoothing.radius_q16(lower, min(upper, _ONE - lower))
        return bounded(candidate, radius, votes, pilot)
