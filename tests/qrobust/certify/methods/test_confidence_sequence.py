from dataclasses import dataclass, field
from fractions import Fraction
from math import exp, lgamma, log, log1p
from statistics import NormalDist

import numpy as np
import pytest

from qrobust.certify.arithmetic.binomial import lower_bound
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.confidence_sequence import lower_confidence
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.settings import Settings
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

ONE = 1 << 48
LEVEL = Fraction(1, 20)
SMOOTHING = GaussianSmoothing(
    noise_table("rounded_gaussian", Fraction(10), 255), InputGrid("int8", 1.0, -128), 20
)
BETS = [Fraction(1, 2**i) for i in range(1, 9)] + [1 - Fraction(1, 2**i) for i in range(2, 8)]


def mixture(p, n, k):
    """The martingale in exact rationals, its alternatives written as bets."""
    terms = [(1 + a * (1 - p) / p) ** k * (1 - a) ** (n - k) for a in BETS]
    return sum(terms) / len(terms)


@pytest.mark.parametrize("n", [20, 64, 300])
@pytest.mark.parametrize("share", [Fraction(3, 5), Fraction(9, 10), Fraction(1)])
def test_the_bound_is_the_last_that_the_exact_martingale_shows(n, share):
    k, step = int(share * n), Fraction(1, 2**40)
    bound = Fraction(lower_confidence(k, n, LEVEL), ONE)
    if not bound:
        assert mixture(Fraction(1, 2), n, k) < 1 / LEVEL
        return
    assert (bound / step).denominator == 1
    assert mixture(bound, n, k) >= 1 / LEVEL > mixture(bound + step, n, k)


@pytest.mark.parametrize("level", [Fraction(1, 2), Fraction(1, 10**6), Fraction(1, 10**30)])
@pytest.mark.parametrize("n", [1, 2, 30, 130])
def test_the_bound_at_its_edges_is_the_exact_one(n, level):
    """Unanimous votes, one against, just above half of them; any level: never one step too high."""
    step = Fraction(1, 2**40)
    for k in {n, n - 1, n // 2 + 1, n // 2, 0}:
        bound = Fraction(lower_confidence(k, n, level), ONE)
        if not bound:
            assert 2 * k <= n or mixture(Fraction(1, 2), n, k) < 1 / level
            continue
        assert mixture(bound, n, k) >= 1 / level
        assert bound + step == 1 or mixture(bound + step, n, k) < 1 / level


def test_unanimous_votes_never_show_certainty():
    for n in (10**6, 10**7):
        bound = lower_confidence(n, n, LEVEL)
        assert ONE - ONE * 10 // n < bound < ONE


def test_it_falls_as_p_rises():
    # What the choice of a radius after looking rests on.
    values = [mixture(Fraction(i, 64), 40, 33) for i in range(32, 64)]
    assert values == sorted(values, reverse=True)


def test_no_votes_and_few_votes_show_nothing():
    assert lower_confidence(0, 0, LEVEL) == 0
    assert lower_confidence(1, 1, LEVEL) == 0
    assert lower_confidence(50, 100, LEVEL) == 0


@pytest.mark.parametrize(("n", "lost"), [(640, 0.09), (10_000, 0.025), (100_000, 0.015)])
@pytest.mark.parametrize("share", [0.9, 0.99, 1])
def test_little_is_lost_beside_a_bound_of_one_moment(n, lost, share):
    level, k = Fraction(1, 1000), int(share * n)
    radius = NormalDist().inv_cdf
    at_once = radius(lower_bound(n, k, level) / ONE)
    assert (1 - lost) * at_once < radius(lower_confidence(k, n, level) / ONE) < at_once


@pytest.mark.parametrize(("k", "lost"), [(64, 0.076), (63, 0.128), (57, 0.311)])
def test_a_batch_shows_less(k, lost):
    level, radius = Fraction(1, 1000), NormalDist().inv_cdf
    kept = radius(lower_confidence(k, 64, level) / ONE) / radius(lower_bound(64, k, level) / ONE)
    assert 1 - kept == pytest.approx(lost, abs=0.0005)


def test_a_batch_in_which_a_quarter_differs_shows_nothing():
    level = Fraction(1, 1000)
    for k in range(45, 49):
        assert lower_confidence(k, 64, level) <= ONE // 2 < lower_bound(64, k, level)


@pytest.mark.parametrize(("n", "lost"), [(640, 0.176), (10_000, 0.034), (100_000, 0.011)])
def test_more_is_lost_where_fewer_votes_agree(n, lost):
    level, k, radius = Fraction(1, 1000), n * 7 // 10, NormalDist().inv_cdf
    kept = radius(lower_confidence(k, n, level) / ONE) / radius(lower_bound(n, k, level) / ONE)
    assert 1 - kept == pytest.approx(lost, abs=0.0005)


# Whoever stops


def walks(p, n, runs, seed):
    """int[runs, n]: votes after every number of samples."""
    return np.cumsum(np.random.default_rng(seed).random((runs, n)) < p, axis=1)


def refuting_counts(p, n, bound):
    """Fewest votes at every number of samples whose bound is above the truth; n + 1 for never."""
    fewest, k = [], 0
    for size in range(1, n + 1):
        while k <= size and bound(k, size) <= p:
            k += 1
        fewest.append(k)
    return np.array(fewest)


@pytest.mark.parametrize("p", [0.55, 0.8, 0.95, 0.995])
def test_the_worst_of_all_moments_is_wrong_no_more_often_than_alpha(p):
    """A clock that knows the truth and all votes stops where the bound is wrong, if it ever is."""
    n, runs = 600, 4000
    fewest = refuting_counts(p, n, lambda k, size: lower_confidence(k, size, LEVEL) / ONE)
    wrong = (walks(p, n, runs, seed=1) >= fewest).any(axis=1).mean()
    assert wrong <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5


def test_a_bound_of_one_moment_does_not_bear_that_clock():
    p, n, runs = 0.8, 600, 2000
    fewest = refuting_counts(p, n, lambda k, size: lower_bound(size, k, LEVEL) / ONE if k else 0.0)
    assert (walks(p, n, runs, seed=1) >= fewest).any(axis=1).mean() > 0.15


def test_waiting_for_a_lucky_radius_does_not_help_either():
    """At one moment the radius itself is chosen by the votes: still at most alpha."""
    n, runs, p = 200, 20_000, 0.7
    k = np.random.default_rng(2).binomial(n, p, runs)
    bounds = {int(v): lower_confidence(int(v), n, LEVEL) / ONE for v in np.unique(k)}
    assert np.mean([bounds[int(v)] > p for v in k]) <= 0.05


def binomial_pmf(n, k, p):
    logs = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    return exp(logs + k * log(p) + (n - k) * log1p(-p))


def test_ville_spends_most_of_what_it_may():
    """The bound is no mere caution: exactly counted, paths are wrong at a few tenths of alpha."""
    p, n = 0.8, 300
    fewest = refuting_counts(p, n, lambda k, size: lower_confidence(k, size, LEVEL) / ONE)
    alive = np.zeros(n + 2)
    alive[0], wrong = 1.0, 0.0
    for size in range(1, n + 1):
        alive[1:] = alive[1:] * (1 - p) + alive[:-1] * p
        alive[0] *= 1 - p
        wrong += alive[fewest[size - 1] :].sum()
        alive[fewest[size - 1] :] = 0.0
    assert 0.01 < wrong < 0.05
    assert abs(alive.sum() + wrong - 1) < 1e-9
    assert binomial_pmf(n, 240, p) > 0.05  # the law is the one meant


# The method


@dataclass
class Simulated:
    """Draws of an imaginary classifier, of which there may be fewer than asked for."""

    p: tuple[float, ...]
    rng: np.random.Generator
    most: int = 10**9
    drawn: list = field(default_factory=list)

    def votes(self, purpose, start, count):
        self.drawn.append((purpose, start, count))
        return self.rng.multinomial(min(count, self.most) if purpose else count, self.p)

    def word(self):
        raise AssertionError("no word is asked for")


@pytest.mark.parametrize("most", [0, 64, 1000, 10**9])
def test_it_says_what_so_many_votes_show(most):
    settings = Settings(method="confidence_sequence", n=5000, n0=50)
    draws = Simulated((0.9, 0.1), np.random.default_rng(0), most)
    outcome = make_method(settings, SMOOTHING, 2).run(draws)
    assert outcome.drawn == min(most, 5000)
    assert draws.drawn == [(Purpose.PILOT, 0, 50), (Purpose.BOUND, 0, 5000)]
    level = Fraction(1, 1000) - 5000 * SMOOTHING.variation
    lower = lower_confidence(int(outcome.votes[0]), outcome.drawn, level)
    assert outcome.radius_q16 == SMOOTHING.radius_q16(lower, ONE - lower)
    assert (outcome.decision, outcome.radius_q16 == ABSTAIN) == (
        ("abstained", True) if most == 0 else ("certified", False)
    )


def test_settings_that_can_never_certify():
    with pytest.raises(CertifyError, match="n=11 samples can never certify anything"):
        make_method(Settings(method="confidence_sequence", n=11), SMOOTHING, 2)


@pytest.mark.parametrize(
    "method", ["clopper_pearson", "randomized_clopper_pearson", "two_class", "anytime"]
)
def test_other_bounds_may_not_stop_at_a_deadline(method):
    with pytest.raises(CertifyError, match=f"{method} may not stop at a deadline: its bound"):
        Settings(method=method, deadline_ms=10)


def test_deadlines_of_settings():
    assert "deadline_ms" not in Settings(method="confidence_sequence").to_json()
    for method, radius in (
        ("confidence_sequence", None),
        ("sequential", 3),
        ("sequential_early", 3),
    ):
        settings = Settings(method=method, radius=radius, deadline_ms=20)
        assert settings.to_json()["deadline_ms"] == 20
    for bad in (0, -5, 86_400_001, "soon", 1.5):
        with pytest.raises(CertifyError, match="deadline"):
            Settings(method="confidence_sequence", deadline_ms=bad)
    with pytest.raises(CertifyError, match="count every view: a count that a deadline"):
        Settings(method="splits", n0=0, n=9, alpha="0", deadline_ms=20)
