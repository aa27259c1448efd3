from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from qrobust.certify.arithmetic.binomial import lower_bound
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.anytime import wilson_lower
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.settings import Settings
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

SIGMA = 10
SMOOTHING = GaussianSmoothing(
    noise_table("rounded_gaussian", Fraction(SIGMA), 255), InputGrid("int8", 1.0, -128), 20
)
RUNS = 10_000


@dataclass
class Simulated:
    """Draws of an imaginary classifier with known class probabilities."""

    p: tuple[float, ...]
    rng: np.random.Generator
    drawn: list = field(default_factory=list)

    def votes(self, purpose, start, count):
        self.drawn.append((purpose, start, count))
        return self.rng.multinomial(count, self.p)

    def word(self):
        return int(self.rng.integers(2**64, dtype=np.uint64))


def run(p, seed=0, **settings):
    draws = Simulated(p, np.random.default_rng(seed))
    return make_method(Settings(**settings), SMOOTHING, len(p)).run(draws), draws.drawn


def true_radius(p, label, *, two_class=False):
    others = np.delete(p, label)
    second = others.max() if two_class else 1 - p[label]
    return SIGMA / 2 * (stats.norm.ppf(p[label]) - stats.norm.ppf(second))


# Sequential tests have their own simulation at the edge, in test_sequential.py.
@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    ("method", "p"),
    [
        ("clopper_pearson", (0.55, 0.45)),
        ("clopper_pearson", (0.97, 0.02, 0.01)),
        ("randomized_clopper_pearson", (0.55, 0.45)),
        ("two_class", (0.4, 0.33, 0.27)),
        ("two_class", (0.4, 0.3, 0.3)),
        ("two_class", (0.9, 0.05, 0.05)),
        ("anytime", (0.97, 0.02, 0.01)),
    ],
)
def test_coverage(method, p):
    """10,000 certificates of a known truth: at most alpha of them claim too much."""
    rng = np.random.default_rng(5)
    settings = Settings(method=method, n0=20, n=60, alpha="0.05")
    made = make_method(settings, SMOOTHING, len(p))
    draws = Simulated(p, rng)
    truth = [true_radius(np.array(p), c, two_class=method == "two_class") for c in range(len(p))]
    wrong = 0
    for _ in range(RUNS):
        outcome = made.run(draws)
        if outcome.radius_q16 != ABSTAIN:
            wrong += outcome.radius_q16 / 65536 > truth[outcome.candidate]
    # Three standard deviations of the simulation itself.
    assert wrong <= RUNS * 0.05 + 3 * (RUNS * 0.05 * 0.95) ** 0.5
    if method == "randomized_clopper_pearson" and p[0] < 0.6:
        # The randomized bound spends its whole level (20 pilot samples may choose class 1).
        assert wrong >= RUNS * 0.03


def test_randomized_bounds_are_never_worse():
    for votes in (60, 90, 100):
        plain = lower_bound(100, votes, Fraction(1, 1000))
        for weight in (1, 1 << 20, 1 << 63, (1 << 64) - 1):
            assert lower_bound(100, votes, Fraction(1, 1000), weight=weight) >= plain
    with pytest.raises(ValueError, match="weight must lie"):
        lower_bound(10, 5, Fraction(1, 9), weight=0)


def test_two_classes_certify_below_one_half():
    p = (0.45, 0.2, 0.2, 0.15)
    plain, _ = run(p, n=5000)
    better, _ = run(p, n=5000, method="two_class")
    assert plain.radius_q16 == ABSTAIN
    assert 0 < better.radius_q16 / 65536 < true_radius(np.array(p), 0, two_class=True)


def test_two_classes_lose_little_where_there_are_only_two():
    p = (0.9, 0.1)
    plain, _ = run(p, n=5000)
    other, _ = run(p, n=5000, method="two_class")
    assert 0.97 * plain.radius_q16 < other.radius_q16 < plain.radius_q16


def test_the_bound_never_sees_the_pilots_samples():
    for method in ("clopper_pearson", "randomized_clopper_pearson", "two_class", "anytime"):
        _, drawn = run((0.8, 0.2), n=1000, method=method)
        bound = [d for d in drawn if d[0] == Purpose.BOUND]
        assert bound == [(Purpose.BOUND, 0, bound[0][2])]
        assert {d[0] for d in drawn} == {Purpose.PILOT, Purpose.BOUND}


def test_sequential_stops_early_and_late():
    settings = {"method": "sequential", "radius": "10", "n": 20_000}
    easy, drawn = run((0.99, 0.01), **settings)
    assert (easy.decision, easy.radius_q16) == ("certified", 10 << 16)
    assert easy.votes.sum() <= 128
    # Consecutive, without gap or overlap.
    starts = [start for purpose, start, _ in drawn if purpose == Purpose.BOUND]
    assert starts == list(np.cumsum([0, *[c for p, _, c in drawn if p == Purpose.BOUND]])[:-1])
    hopeless, _ = run((0.55, 0.45), **settings)
    assert (hopeless.decision, hopeless.radius_q16) == ("gave_up", ABSTAIN)
    edge, _ = run((0.875, 0.125), **{**settings, "n": 500})
    assert (edge.decision, edge.radius_q16, edge.votes.sum()) == ("undecided", ABSTAIN, 500)


def test_a_radius_between_two_q16_values_is_rounded_down():
    outcome, _ = run((0.999, 0.001), method="sequential", radius="1/3", n=1000)
    assert outcome.radius_q16 == 65536 // 3


def test_anytime_draws_more_only_where_it_helps():
    clear, _ = run((0.999999, 0.000001), method="anytime", n=100_000)
    middling, _ = run((0.7, 0.3), method="anytime", n=100_000)
    hopeless, _ = run((0.5, 0.5), method="anytime", n=100_000)
    assert hopeless.votes.sum() < middling.votes.sum() < 50_000
    assert clear.votes.sum() > middling.votes.sum()
    greedy, _ = run((0.7, 0.3), method="anytime", n=100_000, gain="0.3")
    assert greedy.votes.sum() < middling.votes.sum()
    # What it left on the table is about what it was allowed to leave.
    best, _ = run((0.7, 0.3), n=100_000)
    assert middling.radius_q16 > 0.9 * best.radius_q16


@pytest.mark.parametrize("method", ["clopper_pearson", "anytime", "two_class"])
def test_hopeless_settings(method):
    with pytest.raises(CertifyError, match="n=9 samples can never certify"):
        run((0.5, 0.5), method=method, n=9)


@pytest.mark.parametrize(("votes", "n"), [(50, 100), (90, 1000), (100, 100), (100, 10_000)])
def test_forecasts_are_near_the_bound(votes, n):
    forecast = wilson_lower(votes, 100, n, Fraction(1, 1000)) / 2**48
    p = (votes + 0.5) / 101
    expected = stats.binomtest(round(p * n), n).proportion_ci(0.998, method="wilson").low
    np.testing.assert_allclose(forecast, expected, atol=1 / n)


def test_hopeless_sequential_settings():
    with pytest.raises(CertifyError, match="n=9 samples can never accept"):
        run((0.5, 0.5), method="sequential", radius="3", n=9)
    with pytest.raises(CertifyError, match="more than 6 sigma"):
        run((0.5, 0.5), method="sequential", radius="61")
