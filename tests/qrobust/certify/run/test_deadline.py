from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify import Certifier, CertifyError, FloatCertifier
from qrobust.certify.arithmetic.binomial import lower_bound
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.confidence_sequence import lower_confidence
from qrobust.certify.run.deadline import ClockedDraws, CountedDraws, Lateness
from qrobust.certify.run.keys import read_key
from tests.qrobust.certify.bundles import BUNDLES, SHAPE
from tests.qrobust.certify.vote_clock import clock_of_votes

BATCH = 64
P = 0.8
LEVEL = Fraction(1, 20)


@dataclass
class Machine:
    """A clock and draws that take time; a batch takes ``batch_s`` times a drawn slowness."""

    rng: np.random.Generator
    batch_s: float = 0.001
    burst: float = 0.0
    stall: float = 3.0
    threads: int = 1
    now: float = 0.0
    votes_seen: list = field(default_factory=list)
    last: list = field(default_factory=list)

    def clock(self):
        return self.now

    def votes(self, purpose, start, count):
        for _ in range(-(-count // (BATCH * self.threads))):
            slow = (
                1 + 0.2 * self.rng.random() + (self.stall if self.rng.random() < self.burst else 0)
            )
            self.last.append(slow * self.batch_s)
            self.now += self.last[-1]
        self.votes_seen.append((purpose, start, count))
        k = int(self.rng.binomial(count, P))
        return np.array([k, count - k])

    def word(self):
        return 7


def drawn_until(machine, ends, n=10**6):
    draws = ClockedDraws(machine, ends=ends, batch=BATCH, clock=machine.clock)
    draws.votes(Purpose.PILOT, 0, 100)
    return draws.votes(Purpose.BOUND, 0, n)


@pytest.mark.parametrize("budget", [0.005, 0.0173, 0.1, 1.0])
def test_it_uses_its_time_and_no_more(budget):
    machine = Machine(np.random.default_rng(0))
    votes = drawn_until(machine, budget)
    assert machine.now <= budget
    # What is left is less than two batches would take: nothing worth having is given away.
    assert machine.now > budget - 2 * 1.2 * 0.001 * 1.25
    bounds = machine.votes_seen[1:]
    assert [start for _, start, _ in bounds] == list(np.cumsum([0, *[c for *_, c in bounds]])[:-1])
    assert votes.sum() == sum(count for *_, count in bounds)
    assert all(count % BATCH == 0 for *_, count in bounds)


def test_late_by_more_than_a_batch_is_rare_where_the_machine_stalls():
    """One batch in a hundred takes four times as long; one deadline in a hundred may be missed."""
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(1000):
        machine = Machine(rng, burst=0.01)
        budget = rng.uniform(0.01, 0.2)
        drawn_until(machine, budget)
        missed += machine.now > budget + max(machine.last[-1], 0.001)
    assert missed <= 10


def test_what_was_late_makes_the_next_ones_end_earlier():
    """Stalls of 30 batches: more than 1 deadline in 100 is missed, but with a memory no more."""
    missed = {}
    for remembers in (False, True):
        rng, lateness, late = np.random.default_rng(4), Lateness(), 0
        for count in range(4000):
            machine = Machine(rng, burst=0.002, stall=30)
            kept = min(lateness.worst, 0.05)
            draws = ClockedDraws(
                machine, ends=0.1 - kept, batch=BATCH, clock=machine.clock, lateness=lateness
            )
            draws.votes(Purpose.PILOT, 0, 64)
            draws.votes(Purpose.BOUND, 0, 10**6)
            late += count >= 100 and machine.now > 0.1 + 0.0012
            lateness = lateness if remembers else Lateness()
        missed[remembers] = late / 3900
    assert missed[True] <= 0.01 < missed[False]


def test_the_many_requests_of_a_test_do_not_make_it_forget():
    machine, lateness = Machine(np.random.default_rng(0)), Lateness()
    lateness.last.append(0.5)
    draws = ClockedDraws(machine, ends=1e9, batch=BATCH, clock=machine.clock, lateness=lateness)
    for _ in range(200):
        draws.votes(Purpose.BOUND, 0, BATCH)
    assert lateness.worst == 0.5


def test_one_batch_takes_longer_than_its_part_of_many():
    """With 8 threads 8 batches last as long as one: the last one alone has to end in time, too."""
    for budget in np.linspace(0.01, 0.05, 50):
        machine = Machine(np.random.default_rng(5), threads=8)
        draws = ClockedDraws(machine, ends=budget, batch=BATCH, clock=machine.clock)
        draws.votes(Purpose.PILOT, 0, BATCH)
        draws.votes(Purpose.BOUND, 0, 10**6)
        assert machine.now <= budget


def test_no_time_at_all_draws_the_pilot_and_nothing_else():
    machine = Machine(np.random.default_rng(0))
    votes = drawn_until(machine, 0.0)
    assert votes.tolist() == [0, 0]
    assert machine.votes_seen == [(Purpose.PILOT, 0, 100), (Purpose.BOUND, 0, 0)]


def test_enough_time_draws_all():
    machine = Machine(np.random.default_rng(0))
    assert drawn_until(machine, 1e9, n=1000).sum() == 1000


def wrong_at(bound, seed, runs=1500):
    """Share of certificates that claim more than `P` under a clock that stops at any moment."""
    rng = np.random.default_rng(seed)
    wrong = 0
    for _ in range(runs):
        # The clock even goes by the votes: it stops at once where they look lucky.
        machine = Machine(rng)
        draws = ClockedDraws(machine, ends=rng.exponential(0.05), batch=8, clock=machine.clock)
        draws.votes(Purpose.PILOT, 0, 8)
        k = n = 0
        while n < 400:
            more = draws.votes(Purpose.BOUND, n, 8)
            k, n = k + int(more[0]), n + int(more.sum())
            if not more.sum() or bound(k, n) > P:
                break
        wrong += bound(k, n) > P
    return wrong / runs


def at_one_moment(k, n):
    return lower_bound(n, k, LEVEL) / 2**48 if k else 0.0


def test_a_clock_that_stops_at_any_moment_makes_no_more_errors_than_alpha():
    rate = wrong_at(lambda k, n: lower_confidence(k, n, LEVEL) / 2**48, seed=1)
    assert rate <= 0.05 + 3 * (0.05 * 0.95 / 1500) ** 0.5
    assert wrong_at(at_one_moment, seed=1, runs=500) > 0.1  # which the usual bound would


def test_counted_draws_end_where_they_are_told():
    machine = Machine(np.random.default_rng(0))
    draws = CountedDraws(machine, 150)
    assert draws.votes(Purpose.PILOT, 0, 100).sum() == 100
    assert draws.votes(Purpose.BOUND, 0, 128).sum() == 128
    assert draws.votes(Purpose.BOUND, 128, 128).sum() == 22
    assert draws.votes(Purpose.BOUND, 256, 128).sum() == 0
    assert draws.word() == 7


# With a file, by a clock that goes by the votes


@pytest.fixture(scope="module")
def certifier(classifier):
    with clock_of_votes(), Certifier(classifier, sigma=30, classes=3, seed=1, threads=1) as made:
        yield made


def test_a_deadline_ends_a_certificate(certifier, images):
    certificate = certifier.certify(images[0], deadline_ms=60)
    assert certificate.settings["method"] == "confidence_sequence"
    assert certificate.settings["deadline_ms"] == 60
    # 6,000 votes fit, less the pilot, and 2 ms are kept for the bound.
    assert 5_600 < certificate.n < 5_800
    assert 0.055 < certificate.seconds <= 0.06
    votes = certifier.votes(images[0], certificate.n)
    assert certificate.votes == tuple(votes)


def test_the_same_votes_whatever_the_deadline(certifier, images):
    """A deadline is no new attempt: it shows more or less of the same votes."""
    short = certifier.certify(images[1], deadline_ms=20)
    long = certifier.certify(images[1], deadline_ms=80)
    assert short.key == long.key
    assert short.pilot_votes == long.pilot_votes
    assert 0 < short.n < long.n
    assert short.votes == tuple(certifier.votes(images[1], short.n, key=read_key(long.key)))


def test_one_radius_by_a_deadline(certifier, images):
    easy = certifier.certify(images[0], radius="0.5", deadline_ms=2000)
    assert easy.settings["method"] == "sequential_early"
    late = certifier.certify(images[0], radius="0.5", deadline_ms=1)
    assert (late.decision, late.n, late.label) in [("undecided", 0, -1), ("gave_up", 0, -1)]


def test_a_deadline_shorter_than_the_pilot_claims_nothing(certifier, images):
    late = certifier.certify(images[0], deadline_ms=1)
    assert (late.decision, late.n, late.n0, late.label, late.radius_q16) == (
        "abstained", 0, 64, -1, 0
    )  # fmt: skip


def test_the_longest_deadline_draws_all_that_may_be_drawn(certifier, images):
    assert certifier.certify(images[0], n=5000, deadline_ms=86_400_000).n == 5000


@pytest.mark.parametrize("deadline", [0, -1, 86_400_001, 10**30, True, "9", 1.5, float("nan")])
def test_deadlines_that_are_none(certifier, images, deadline):
    with pytest.raises(CertifyError, match="the deadline .ms. must be"):
        certifier.certify(images[0], deadline_ms=deadline)


@pytest.mark.parametrize("method", ["clopper_pearson", "two_class", "anytime"])
def test_methods_of_one_moment_refuse_a_deadline(certifier, images, method):
    with pytest.raises(CertifyError, match=f"{method} may not stop at a deadline"):
        certifier.certify(images[0], method=method, deadline_ms=50)


def test_a_callable_has_deadlines_too(images):
    made = FloatCertifier(
        lambda x: np.stack([x.reshape(len(x), -1).sum(1), np.full(len(x), 2560)], 1),
        shape=(5, 4, 1), classes=2, sigma=30, identity=b"sum", runtime="NumPy", seed=0,
    )  # fmt: skip
    with clock_of_votes():
        certificate = made.certify(images[0], deadline_ms=50)
    assert 0 < certificate.n < 5_000
    assert certificate.votes == tuple(made.votes(images[0], certificate.n))


@pytest.mark.parametrize("rule", BUNDLES)
def test_a_bundle_has_deadlines_too(rule):
    x = np.random.default_rng(3).integers(0, 256, SHAPE).astype(np.uint8)
    content = BUNDLES[rule].to_bytes()
    with clock_of_votes(), Certifier(content, sigma=8, classes=3, seed=1, threads=1) as made:
        certificate = made.certify(x, deadline_ms=20)
        assert 0 < certificate.n < 2_000
        assert certificate.votes == tuple(made.votes(x, certificate.n))


def test_threads_that_certify_at_a_time_share_what_is_remembered():
    lateness = Lateness()
    with ThreadPoolExecutor(4) as pool:
        wait = [
            pool.submit(lambda: [(lateness.last.append(1.0), lateness.worst) for _ in range(2000)])
            for _ in range(4)
        ]
        assert all(w == 1.0 for future in wait for _, w in future.result())
