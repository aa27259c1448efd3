r"""The best radius that the votes so far show, whenever somebody stops: a deadline's bound.

After ``k`` of ``n`` fresh votes the class's probability is bounded below by the largest ``p`` with

.. math:: M_n(p) = \frac{1}{14} \sum_a \left(1 + a \frac{1 - p}{p}\right)^k (1 - a)^{n - k}
          \ge \frac{1}{level}, \qquad
          a \in \{2^{-i} : i = 1..8\} \cup \{1 - 2^{-i} : i = 2..7\}

the mixture of `SequentialTest`, its ``q = p + a (1 - p)`` written as bets of ``a``. At the true
probability ``M`` is a martingale, so by Ville's inequality it ever reaches ``1 / level`` with
probability ``level`` at most. Each term falls as ``p`` rises. So wherever a bound above the true
probability is shown, ``M`` has reached ``1 / level`` at the true one, too: with probability
``1 - level`` *no* bound, after no number of votes, is above it. Whoever stops may therefore look
at the votes, at the clock, and at the votes to come.

That argument needs the same ``a`` at every ``p``. So ``p`` is a multiple of ``2**-40``: then all
products ``2**-i (1 - p)`` are whole in units of ``2**-48``, and nothing is rounded.

References:
    Ville 1939. Robbins, Ann. Math. Stat. 41 (1970): confidence sequences. Waudby-Smith and Ramdas,
    JRSS B 86 (2024), for bets.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import exp, log, log1p

import numpy as np

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.last_true import last_true
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.mixture import Mixture, alternatives_above, least_accepting
from qrobust.certify.methods.outcome import Draws, Outcome, bounded
from qrobust.certify.smoothings.smoothing import Smoothing

_ONE = 1 << PROBABILITY_BITS
#: Bounds are multiples of ``2**-40``: see above.
_STEP = 1 << 8
_BETS = [2.0**-i for i in range(1, 9)] + [1 - 2.0**-i for i in range(2, 8)]
#: Halvings of a guess: past the digits of a float there is nothing to gain.
_HALVINGS = 48


@dataclass(frozen=True)
class ConfidenceSequence:
    """Bound what the drawn votes show, however many they are.

    Attributes:
        smoothing: of the inputs.
        n0: pilot samples.
        n: fresh samples, the most of them where draws end earlier.
        level: error probability after charges for ``n`` samples.
    """

    smoothing: Smoothing
    n0: int
    n: int
    level: Fraction

    def run(self, draws: Draws) -> Outcome:
        """Certify one image."""
        pilot = draws.votes(Purpose.PILOT, 0, self.n0)
        candidate = int(np.argmax(pilot))
        votes = draws.votes(Purpose.BOUND, 0, self.n)
        lower = lower_confidence(int(votes[candidate]), int(votes.sum()), self.level)
        return bounded(candidate, self.smoothing.radius_q16(lower, _ONE - lower), votes, pilot)


def check_sequence(n: int, level: Fraction) -> None:
    """Raise `CertifyError` if ``n`` unanimous votes still prove nothing at this level."""
    least = least_accepting(_ONE // 2, level)
    if n < least:
        raise CertifyError(
            f"n={n} samples can never certify anything at alpha={float(level):.6g}; "
            f"use n >= {least}"
        )


@lru_cache(maxsize=1 << 12)
def lower_confidence(votes: int, n: int, level: Fraction) -> int:
    """Return the bound on a class's probability that holds after every number of votes.

    Args:
        votes: for the class, of ``n``.
        n: votes so far, 0 or more.
        level: error probability of all moments together, in (0, 1/2].

    Returns:
        The bound in units of ``2**-48``, a multiple of ``2**-40``; 0 where it would be 1/2 or less,
        which certifies nothing.
    """
    low, high = _ONE // 2 // _STEP, _ONE // _STEP

    def shown(multiple: int) -> bool:
        p = multiple * _STEP
        return Mixture(alternatives_above(p), p, n, level).reaches(votes)

    if 2 * votes <= n or not shown(low):
        return 0
    guess = _guess(votes, n, log(level.denominator) - log(level.numerator))
    return last_true(shown, low, high, int(guess * high)) * _STEP


def _guess(votes: int, n: int, needed: float) -> float:
    """Where ``ln M`` falls to ``needed``, in floating point: a place to begin an exact search."""
    against = [(n - votes) * log1p(-a) for a in _BETS]

    def evidence(p: float) -> float:
        odds = (1 - p) / p
        terms = [votes * log1p(a * odds) + c for a, c in zip(_BETS, against, strict=True)]
        most = max(terms)
        return most + log(sum(exp(term - most) for term in terms) / len(terms))

    low, high = 0.5, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if evidence(middle) >= needed else (low, middle)
    return low
