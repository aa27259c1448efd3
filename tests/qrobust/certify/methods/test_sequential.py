from fractions import Fraction
from math import comb

import mpmath
import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.gaussian import cdf_floor
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.sequential import (
    GIVE_UP_LEVEL,
    HASTY,
    PATIENT,
    PILOT_LEVEL,
    Sequential,
    checkpoint_sizes,
    hopeless_votes,
    sequential_test,
)

ONE = 1 << 48
LEVEL = Fraction(1, 20)


def p0_of(ratio):
    return cdf_floor(Fraction(ratio), 48) + 1


def mixture(alternatives, p0, n, k):
    """The martingale in exact rationals."""
    if p0 == ONE:  # a sure thing: one vote against it is infinite evidence
        return mpmath.inf if k < n else sum(Fraction(q, ONE) ** n for q in alternatives)
    a, b = Fraction(p0, ONE), 1 - Fraction(p0, ONE)
    ratios = [(Fraction(q, ONE) / a) ** k * ((1 - Fraction(q, ONE)) / b) ** (n - k)
              for q in alternatives]  # fmt: skip
    return sum(ratios) / len(ratios)


@pytest.mark.parametrize("ratio", ["0", "0.5", "1", "2"])
def test_thresholds_are_those_of_the_exact_martingales(ratio):
    p0 = p0_of(ratio)
    above = [p0 + ((ONE - p0) >> i) for i in range(1, 9)]
    above += [ONE - ((ONE - p0) >> i) for i in range(2, 8)]
    test = sequential_test(p0, LEVEL, 300)
    p1 = test.p1
    below = [p1 - (p1 >> i) for i in range(1, 10)]
    below += [p1 - ((p1 - p0) >> i) for i in range(3)]
    for checkpoint in test.checkpoints:
        n = checkpoint.n
        for k in (checkpoint.accept - 1, checkpoint.accept):
            if k <= n:
                reaches = mixture(above, p0, n, k) >= 1 / LEVEL
                assert reaches == (k == checkpoint.accept)
        for k in (checkpoint.give_up, checkpoint.give_up + 1):
            if k >= 0:
                reaches = mixture(below, p1, n, k) >= 1 / GIVE_UP_LEVEL
                assert reaches == (k == checkpoint.give_up)


def simulate(test, p, runs, seed):
    """Shares of accepted and given up tests of a coin of probability p."""
    rng = np.random.default_rng(seed)
    votes, last = np.zeros(runs, np.int64), 0
    accepted, gave_up = np.zeros(runs, bool), np.zeros(runs, bool)
    for checkpoint in test.checkpoints:
        votes += rng.binomial(checkpoint.n - last, p, runs)
        last = checkpoint.n
        open_ = ~(accepted | gave_up)
        accepted |= open_ & (votes >= checkpoint.accept)
        gave_up |= open_ & (votes <= checkpoint.give_up)
    return accepted.mean(), gave_up.mean()


@pytest.mark.parametrize("ratio", ["0.25", "1", "2"])
def test_coverage(ratio):
    # 20,000 runs at the very edge of either error; three standard deviations of allowance.
    p0 = p0_of(ratio)
    test = sequential_test(p0, LEVEL, 5000)
    allowed = 0.05 + 3 * (0.05 * 0.95 / 20_000) ** 0.5
    assert simulate(test, p0 / ONE, 20_000, seed=1)[0] <= allowed
    assert simulate(test, test.p1 / ONE, 20_000, seed=1)[1] <= allowed


def test_power():
    test = sequential_test(p0_of(1), Fraction(1, 1000), 5000)
    assert simulate(test, 0.9, 2000, seed=2)[0] > 0.99
    assert simulate(test, 0.75, 2000, seed=2)[1] > 0.99


def test_long_tests_give_up_where_they_would_run_for_long():
    p0, n = p0_of(1), 40_000
    long, short = sequential_test(p0, LEVEL, n), sequential_test(p0, LEVEL, PATIENT.samples)
    decisive = next(c for c in long.checkpoints if c.n >= PATIENT.samples)
    assert (
        long.p1
        == (decisive.accept << 48) // decisive.n
        > short.checkpoints[-1].accept / PATIENT.samples
    )
    # What is accepted has nothing to do with it.
    accepts = {c.n: c.accept for c in long.checkpoints}
    shared = [c for c in short.checkpoints if c.n in accepts]
    assert len(shared) > 50
    assert all(accepts[c.n] == c.accept for c in shared)
    allowed = 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
    assert simulate(long, long.p1 / ONE, 2000, seed=4)[1] <= allowed
    assert simulate(long, p0 / ONE, 2000, seed=4)[1] > 0.9


def test_tests_that_need_most_of_their_samples_have_patience():
    # Unanimous votes take 448 samples here: a test of 25,000 must not give up on less.
    n = 40_000
    test = sequential_test(p0_of("2.5"), LEVEL, n)
    unanimous = next(c.n for c in test.checkpoints if c.accept <= c.n)
    assert 64 * unanimous > n
    assert test.p1 == (test.checkpoints[-1].accept << 48) // n


def test_unanimity_or_nothing():
    # At the fewest samples that can accept, one vote for another class ends the matter.
    test = sequential_test(p0_of(1), LEVEL, 40)
    last = test.checkpoints[-1]
    assert last.accept <= 40
    assert simulate(test, 1.0, 10, seed=3) == (1, 0)


@pytest.mark.parametrize("ratio", ["0.5", "1", "2"])
def test_error_is_below_the_level_by_enumeration(ratio):
    # Every path of votes at the edge, in exact fractions; nobody gives up, which only adds paths.
    p0 = p0_of(ratio)
    test = sequential_test(p0, LEVEL, 320, HASTY)
    thresholds = {c.n: c.accept for c in test.checkpoints}
    assert 0 < accepted_mass(p0, thresholds, 320) < LEVEL
    # Fewer votes are too few: the enumeration notices.
    easier = {n: accept - 1 - n // 30 for n, accept in thresholds.items()}
    assert accepted_mass(p0, easier, 320) > LEVEL


def accepted_mass(p, thresholds, last):
    """Probability that a coin of p ever reaches one of the thresholds, an exact fraction."""
    alive, accepted = {0: 1}, Fraction(0)
    for n in range(1, last + 1):
        moved = {}
        for votes, mass in alive.items():
            moved[votes] = moved.get(votes, 0) + mass * (ONE - p)
            moved[votes + 1] = moved.get(votes + 1, 0) + mass * p
        reached = [votes for votes in moved if votes >= thresholds.get(n, n + 1)]
        accepted += Fraction(sum(moved.pop(votes) for votes in reached), ONE**n)
        alive = moved
    return accepted


def test_a_hasty_test_accepts_at_the_same_votes_and_gives_up_sooner():
    patient, hasty = (sequential_test(p0_of(1), LEVEL, 30_000, p) for p in (PATIENT, HASTY))
    pairs = list(zip(patient.checkpoints, hasty.checkpoints, strict=True))
    assert all(a.accept == b.accept and a.give_up <= b.give_up for a, b in pairs)
    assert sum(a.give_up < b.give_up for a, b in pairs) > 50
    assert hasty.p1 > patient.p1


@pytest.mark.parametrize("p1", [0.5, 0.857, 0.98])
@pytest.mark.parametrize("pilot", [1, 10, 64])
def test_hopeless_votes_are_those_of_the_exact_law(pilot, p1):
    p1 = int(p1 * ONE)
    found = hopeless_votes(pilot, p1)

    def share(votes):
        p = Fraction(p1, ONE)
        return sum(comb(pilot, k) * p**k * (1 - p) ** (pilot - k) for k in range(votes + 1))

    assert found == -1 or share(found) < PILOT_LEVEL
    assert share(found + 1) >= PILOT_LEVEL


def test_a_hopeless_pilot_draws_nothing_more():
    class Coin:
        def votes(self, purpose, start, count):
            assert purpose == Purpose.PILOT
            return np.array([count // 2 + 1, count - count // 2 - 1])

    test = sequential_test(p0_of(1), LEVEL, 1000, HASTY)
    outcome = Sequential(test, 64, 1, hopeless_votes(64, test.p1)).run(Coin())
    assert (outcome.decision, outcome.radius_q16, outcome.drawn) == ("gave_up", -1, 0)


def test_sizes():
    sizes = checkpoint_sizes(100_000)
    assert sizes[:3] == [64, 128, 192]
    assert sizes[-1] == 100_000
    assert len(sizes) < 150
    assert checkpoint_sizes(10) == [10]


def test_too_few_samples_ever_to_accept():
    p0 = p0_of(3)
    with pytest.raises(
        CertifyError, match="n=1000 samples can never accept .* use n >= "
    ) as caught:
        sequential_test(p0, Fraction(1, 1000), 1000)
    least = int(str(caught.value).rsplit(" ", 1)[1])
    sequential_test(p0, Fraction(1, 1000), least)
    with pytest.raises(CertifyError):
        sequential_test(p0, Fraction(1, 1000), least - 1)
