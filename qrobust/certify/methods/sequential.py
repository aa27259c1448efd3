r"""A sequential test at one radius: is the class's probability above ``Phi(r / sigma)``?

Two test martingales watch the votes. The first is the mean of 14 likelihood ratios of a ``q``
against ``p0``, all of them in units of ``2**-48``:

.. math:: M_n = \frac{1}{14} \sum_q \left(\frac{q}{p_0}\right)^k
          \left(\frac{1 - q}{1 - p_0}\right)^{n - k}, \qquad
          q \in \{p_0 + 2^{-i} (1 - p_0) : i = 1..8\} \cup \{1 - 2^{-i} (1 - p_0) : i = 2..7\}

after ``k`` of ``n`` votes, every product of ``1 - p0`` rounded down to a multiple of ``2**-48``.
Each ``q`` lies above ``p0``, so ``M`` is a supermartingale for every true probability up to ``p0``.
By Ville's inequality it reaches ``1 / level`` with probability at most ``level`` unless the radius
holds; then the test accepts. That needs nothing but ``k``, ``n``, ``p0`` and ``level``: neither the
checkpoints nor the rule for giving up matter to whoever checks an acceptance.

The second, with every ``q`` below ``p1``, speaks against probabilities from ``p1`` on; then the
test gives up. ``p1`` is the share of votes that a checkpoint accepts at: the first one from so many
samples on as a `Patience` says; the last, if there is none. A class below it would likely need more
samples than that or end undecided; one from ``p1`` on is given up with probability at most
`GIVE_UP_LEVEL`. Nothing is ever claimed by giving up, so no error is spent on it: the error of an
acceptance is bounded for every rule that stops it sooner, one that reads the pilot's votes included
(they are other samples, and fixed before the first of these).

Of that makes use the method ``sequential_early``: its patience is shorter, its pilot one batch, and
it gives up at once, without a further sample, where so few of the pilot's votes are for the class
that one of probability ``p1`` would leave it that few with probability below `PILOT_LEVEL`.

Looking at checkpoints only, both are integer thresholds: accept at so many votes, give up at so
few. A device compares integers.

References:
    Ville 1939; Robbins 1970. Voracek, Treatment of statistical estimation problems in randomized
    smoothing for adversarial robustness, NeurIPS 2024, for sequential tests here. Where he mixes
    over all ``q`` (Krichevsky-Trofimov), this mixes over one side, which took a tenth to a sixth
    fewer samples in simulations.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, tail_is_below
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.last_true import last_true
from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.mixture import Mixture, alternatives_above, least_accepting
from qrobust.certify.methods.outcome import CERTIFIED, GAVE_UP, UNDECIDED, Draws, Outcome

_ONE = 1 << PROBABILITY_BITS

#: Chance of giving up on a class of probability `p1` or more (or the level, if that is larger).
GIVE_UP_LEVEL = Fraction(1, 10)

#: Chance of a pilot that gives up a class of probability `p1` or more.
PILOT_LEVEL = Fraction(1, 200)


@dataclass(frozen=True)
class Patience:
    """How many samples a class may need before it is given up.

    Attributes:
        samples: that many at least ...
        share: ... and the most of the test over this ...
        unanimous: ... and this many times what unanimous votes would take.
    """

    samples: int
    share: int
    unanimous: int


#: A class that would likely take more samples than this is given up, if the test may take four
#: times as many. On 600 CIFAR-10 images that and the level above spared 43 % and 35 % of the
#: samples of tests of 100,000 at one and two sigmas, and cost 3 and 9 acceptances in 10,000 images.
PATIENT = Patience(25_000, 4, 64)
#: Simulated with the shares of votes of 105 CIFAR-10 images, this, the shorter pilot and giving up
#: by its votes take 43 % and 34 % of the batches away from those tests at one and two sigmas, and
#: 15 and 46 acceptances in 10,000 images with them.
HASTY = Patience(10_000, 10, 24)

#: Checkpoints are multiples of this (a batch), and this much apart at first ...
CHECKPOINT_STEP = 64
#: ... and later a twentieth of the samples so far.
_GROWTH = 20


@dataclass(frozen=True)
class Checkpoint:
    """After ``n`` samples: accept at ``accept`` votes or more, give up at ``give_up`` or fewer.

    ``accept = n + 1`` and ``give_up = -1`` never happen.
    """

    n: int
    accept: int
    give_up: int

    def __post_init__(self) -> None:
        if not -1 <= self.give_up < self.accept <= self.n + 1:
            raise CertifyError(
                f"a checkpoint at n={self.n} cannot accept at {self.accept} votes and give up "
                f"at {self.give_up}"
            )


@dataclass(frozen=True)
class SequentialTest:
    """The thresholds of one test.

    Attributes:
        p0: probability to exceed, in units of ``2**-48``, rounded up.
        level: error probability of accepting at ``p0`` or below.
        checkpoints: with rising ``n``; the last one ends the test undecided.
        patience: with which they were made.
    """

    p0: int
    level: Fraction
    checkpoints: tuple[Checkpoint, ...]
    patience: Patience = PATIENT

    def __post_init__(self) -> None:
        if not self.checkpoints:
            raise CertifyError("a sequential test needs a checkpoint")
        sizes = [c.n for c in self.checkpoints]
        if sizes[0] < 1 or any(a >= b for a, b in zip(sizes, sizes[1:], strict=False)):
            raise CertifyError("the checkpoints of a sequential test must rise")

    @property
    def p1(self) -> int:
        """Probability from which on the test seldom gives up, in units of ``2**-48``."""
        return _seldom_given_up(
            [c.n for c in self.checkpoints],
            [c.accept for c in self.checkpoints],
            self.patience,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the checkpoints as rows ``[n, accept, give_up]``."""
        return {
            "p0_q48": self.p0,
            "level": f"{self.level.numerator}/{self.level.denominator}",
            "checkpoints": [[c.n, c.accept, c.give_up] for c in self.checkpoints],
        }

    @classmethod
    def from_json(cls, value: Any) -> SequentialTest:
        """Read what :meth:`to_json` wrote; raise `CertifyError` where it is damaged."""
        try:
            rows = [[int(item) for item in row] for row in value["checkpoints"]]
            checkpoints = tuple(Checkpoint(*row) for row in rows)
            return cls(int(value["p0_q48"]), Fraction(value["level"]), checkpoints)
        except CertifyError:
            raise
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise CertifyError(f"a damaged sequential test: {error}") from None


def checkpoint_sizes(n: int) -> list[int]:
    """Return the sample counts at which a test of up to ``n`` samples looks."""
    sizes = []
    size = CHECKPOINT_STEP
    while size < n:
        sizes.append(size)
        size += CHECKPOINT_STEP * max(1, size // (_GROWTH * CHECKPOINT_STEP))
    return [*sizes, n]


@lru_cache(maxsize=32)
def sequential_test(
    p0: int, level: Fraction, n: int, patience: Patience = PATIENT
) -> SequentialTest:
    """Compute the thresholds: a second or so for ``n = 100,000``, once.

    Args:
        p0: probability to exceed, in units of ``2**-48``, at least 1/2.
        level: error probability of accepting wrongly.
        n: most samples.
        patience: before a class is given up.

    Raises:
        CertifyError: even ``n`` unanimous votes would not be accepted.
    """
    above = alternatives_above(p0)
    sizes = checkpoint_sizes(n)
    accepts = _thresholds(above, p0, sizes, level, rising=True)
    if accepts[-1] > n:
        raise CertifyError(
            f"n={n} samples can never accept p > {p0 / _ONE:.6g} at level {float(level):.3g}; "
            f"use n >= {least_accepting(p0, level)}"
        )
    p1 = _seldom_given_up(sizes, accepts, patience)
    below = [p1 - (p1 >> i) for i in range(1, 10)]
    below += [p1 - ((p1 - p0) >> i) for i in range(3)]
    give_ups = _thresholds(below, p1, sizes, max(level, GIVE_UP_LEVEL), rising=False)
    # Late in a long test every count speaks for one or the other; then it accepts.
    give_ups = [min(give_up, accept - 1) for give_up, accept in zip(give_ups, accepts, strict=True)]
    return SequentialTest(p0, level, tuple(map(Checkpoint, sizes, accepts, give_ups)), patience)


def _thresholds(
    alternatives: list[int], p: int, sizes: list[int], level: Fraction, *, rising: bool
) -> list[int]:
    """Fewest votes at which the mixture against ``p`` speaks, or most of them if it falls."""
    thresholds: list[int] = []
    share = Fraction(rising)
    for size in sizes:
        mixture = Mixture(alternatives, p, size, level)
        guess = int(share * size)  # the last answer's share of votes
        if rising:
            found = last_true(mixture.falls_short, -1, size + 1, guess) + 1
        else:
            found = last_true(mixture.reaches, -1, size + 1, guess)
        thresholds.append(found)
        share = Fraction(found, size)
    return thresholds


def _seldom_given_up(sizes: list[int], accepts: list[int], patience: Patience) -> int:
    """`p1`: the share of votes that the decisive checkpoint accepts at."""
    last = sizes[-1]
    unanimous = next(n for n, accept in zip(sizes, accepts, strict=True) if accept <= n)
    enough = max(patience.samples, last // patience.share, patience.unanimous * unanimous)
    enough = min(enough, last)
    n, accept = next(pair for pair in zip(sizes, accepts, strict=True) if pair[0] >= enough)
    return (accept << PROBABILITY_BITS) // n


@dataclass(frozen=True)
class Sequential:
    """Accept or give up on one radius as soon as the votes allow; see `SequentialTest`.

    Attributes:
        test: the thresholds.
        n0: pilot samples.
        radius_q16: the radius, rounded down.
        hopeless: votes of the pilot at or below which its class is given up; -1 for none.
    """

    test: SequentialTest
    n0: int
    radius_q16: int
    hopeless: int = -1

    def run(self, draws: Draws) -> Outcome:
        """Certify one image."""
        pilot = draws.votes(Purpose.PILOT, 0, self.n0)
        candidate = int(np.argmax(pilot))
        votes = np.zeros_like(pilot)
        if pilot[candidate] <= self.hopeless:
            return Outcome(candidate, ABSTAIN, votes, pilot, GAVE_UP)
        drawn = 0
        for checkpoint in self.test.checkpoints:
            votes = votes + draws.votes(Purpose.BOUND, drawn, checkpoint.n - drawn)
            drawn = checkpoint.n
            if int(votes.sum()) < drawn:  # time is up
                break
            if votes[candidate] >= checkpoint.accept:
                return Outcome(candidate, self.radius_q16, votes, pilot, CERTIFIED)
            if votes[candidate] <= checkpoint.give_up:
                return Outcome(candidate, ABSTAIN, votes, pilot, GAVE_UP)
        return Outcome(candidate, ABSTAIN, votes, pilot, UNDECIDED)


def early_pilot(n0: int) -> int:
    """Return the pilot of methods in a hurry: one batch, no more than asked for."""
    return min(n0, CHECKPOINT_STEP)


def hopeless_votes(pilot: int, p1: int) -> int:
    """Return the most votes that ``p1`` leaves a pilot with probability below `PILOT_LEVEL`.

    Args:
        pilot: samples.
        p1: probability of the class, in units of ``2**-48``.

    Returns:
        The largest ``k`` with ``P(Bin(pilot, p1) <= k) < PILOT_LEVEL``; -1 where there is none.
    """

    def few(votes: int) -> bool:
        return tail_is_below(pilot, pilot - votes, _ONE - p1, PILOT_LEVEL)

    return next((votes for votes in range(pilot - 1, -1, -1) if few(votes)), -1)
