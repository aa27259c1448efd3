"""The checker against what makes certificates: it shares nothing with it, and agrees."""

import ast
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import qrobust.certify.core
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import probability_bound, quantile_q16
from qrobust.certify.core import claim
from qrobust.certify.core.claim import COUNTING, Claim, Refused, key_of, objection, read_claim
from qrobust.certify.methods.confidence_sequence import lower_confidence
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.settings import SAMPLING, Settings
from qrobust.certify.run.keys import KeySource
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

CORE = Path(qrobust.certify.core.__file__).parent
#: Each method of counting may add 60 lines: its claim is another theorem.
MOST_LINES = 450 + 60 * len(COUNTING)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def closure(path, seen):
    """Files of this project that ``path`` needs, itself included."""
    seen.add(path)
    for name in imports(path):
        for file in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
            found = CORE.parents[2] / file
            if name.startswith("qrobust") and found.is_file() and found not in seen:
                closure(found, seen)
    return seen


def test_what_has_to_be_read_to_believe_a_certificate():
    files = closure(CORE / "claim.py", set()) | {CORE / "__init__.py"}
    assert all(file.parent == CORE for file in files), files
    assert sum(len(file.read_text().splitlines()) for file in files) <= MOST_LINES


def test_the_core_imports_nothing_that_makes_certificates():
    import sys

    for file in CORE.glob("*.py"):
        for name in imports(file):
            top = name.partition(".")[0]
            core = name.startswith("qrobust.certify.core")
            assert core or top == "numpy" or top in sys.stdlib_module_names, (file.name, name)
            # Importing a package of ours would run its __init__.
            assert name not in ("qrobust", "qrobust.certify")


class Drawn:
    """Votes of a made-up law, instead of a network's."""

    def __init__(self, law, seed):
        self.law, self.rng = law, np.random.default_rng(seed)

    def votes(self, purpose, start, count):
        return self.rng.multinomial(count, self.law)

    def word(self):
        return int(self.rng.integers(2**64, dtype=np.uint64))


class Remembered(Drawn):
    word_drawn = 2**64 - 1

    def word(self):
        self.word_drawn = super().word()
        return self.word_drawn


def made(method, seed):
    """A random certificate of a method, as a claim."""
    rng = random.Random(f"{method}{seed}")
    sigma = Fraction(rng.choice(["0.5", "12", "64", "100/3"]))
    smoothing = GaussianSmoothing(
        noise_table("rounded_gaussian", sigma, 255), InputGrid("int8", 1.0, 0), rng.choice([1, 900])
    )
    radius = str(rng.choice([0, 1, Fraction(1, 2)]) * sigma * Fraction(3, 2))
    settings = Settings(
        method=method,
        n0=rng.choice([10, 100]),
        n=3000 if method.startswith("sequential") else rng.choice([60, 500, 3000]),
        alpha=rng.choice(["0.001", "0.05", "1/3"]),
        radius=radius if method.startswith("sequential") else None,
    )
    top = rng.choice([0.4, 0.7, 0.95, 1.0])
    law = [(1 - top) * 0.7, top, (1 - top) * 0.3]
    classes = len(law)
    draws = Remembered(law, seed)
    outcome = make_method(settings, smoothing, classes).run(draws)
    witness = None
    level = Fraction(settings.alpha) - settings.n * smoothing.variation
    k = int(outcome.votes[outcome.candidate])
    if method == "two_class":
        witness = quantile_q16(probability_bound(k, settings.n, level / 2), sigma)
    return Claim(
        method=method,
        candidate=outcome.candidate,
        label=-1 if outcome.radius_q16 < 0 else outcome.candidate,
        radius_q16=max(outcome.radius_q16, 0),
        pilot=tuple(map(int, outcome.pilot)),
        votes=tuple(map(int, outcome.votes)),
        n=settings.n,
        alpha=Fraction(settings.alpha),
        sigma=sigma,
        span=255,
        coordinates=smoothing.coordinates,
        radius=None if settings.radius is None else Fraction(settings.radius),
        weight=Fraction(draws.word_drawn + 1, 2**64)
        if method.startswith("randomized")
        else Fraction(1),
        witness=witness,
    )


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("method", SAMPLING)
def test_every_certificate_stands_and_none_with_more_radius(method):
    certified = 0
    for seed in range(60):
        made_claim = made(method, seed)
        assert objection(made_claim) == ""
        if made_claim.label == claim.ABSTAIN:
            continue
        certified += 1
        # The fast path rounds radii down to Q16 once, or twice where two quantiles add up.
        more = replace(made_claim, radius_q16=made_claim.radius_q16 + 2)
        assert objection(more)
    assert certified >= 15


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("method", SAMPLING)
def test_forged_claims_are_refused(method):
    refused = 0
    for seed in range(40):
        good = made(method, seed)
        if good.label == claim.ABSTAIN or not good.radius_q16:
            continue
        k, drawn = good.votes[1], sum(good.votes)
        assert objection(replace(good, label=0))
        assert objection(replace(good, candidate=0, label=0))
        assert objection(replace(good, pilot=(1, 0, 0)))
        assert objection(replace(good, votes=(*good.votes[:2], good.n)))
        fewer = (drawn - k // 2, k // 2, 0)
        assert objection(replace(good, votes=fewer))
        level = replace(good, alpha=good.alpha / 10**6)
        refused += bool(objection(level))
    assert refused


def test_an_abstention_claims_nothing():
    good = made("clopper_pearson", 3)
    assert objection(replace(good, label=-1, radius_q16=0)) == ""
    assert objection(replace(good, label=-1, radius_q16=5))


PLAN = {"classes": 3, "method": "clopper_pearson", "alpha": "0.001", "sigma": "64", "n": 100}
PLAN |= {"span": 255, "coordinates": 20, "radius": None, "noise": "rounded_gaussian"}
LINE = {"label": 1, "candidate": 1, "radius_q16": 0, "votes": [1, 99, 0]}
LINE |= {"pilot_votes": [0, 10, 0], "key": "0" * 32, "norm": "l2"}


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("plan", {"alpha": "1e-9999999"}),
        ("plan", {"alpha": 0.001}),
        ("plan", {"alpha": "2/3"}),
        ("plan", {"alpha": "0"}),
        ("plan", {"sigma": "٣"}),
        ("plan", {"sigma": "1" * 100}),
        ("plan", {"n": 100.0}),
        ("plan", {"n": True}),
        ("plan", {"n": 10**40}),
        ("plan", {"classes": 1}),
        ("plan", {"method": "guess"}),
        ("plan", {"noise": "uniform"}),
        ("line", {"norm": "linf"}),
        ("line", {"votes": [1, 99]}),
        ("line", {"votes": [1, 99, -1]}),
        ("line", {"votes": [1, 99, 0.0]}),
        ("line", {"pilot_votes": []}),
        ("line", {"key": "0" * 31}),
        ("line", {"key": "A" * 32}),
        ("line", {"label": 3}),
        ("line", {"radius_q16": -1}),
    ],
    ids=str,
)
def test_doubtful_lines_are_refused(where, change):
    read_claim(PLAN, LINE)
    plan, line = dict(PLAN), dict(LINE)
    (plan if where == "plan" else line).update(change)
    with pytest.raises(Refused):
        read_claim(plan, line)


SUBJECT = {"model_sha256": "aa", "data_sha256": "bb", "noise": "rounded_gaussian", "sigma": "64"}
SUBJECT |= {"method": "sequential", "n": 5}


@pytest.mark.parametrize(
    "source",
    [
        KeySource(level="chosen", seed=2**64 - 1),
        KeySource(),
        KeySource(level="witnessed", nonce="n", source="s", round="r"),
    ],
    ids=lambda source: source.level,
)
def test_keys_are_computed_twice_and_agree(source):
    for index in (0, 1, 2**63):
        assert key_of(source.to_json(), SUBJECT, index) == source.key(SUBJECT, index)
    other = SUBJECT | {"model_sha256": "ab"}
    same = source.key(other, 0) == source.key(SUBJECT, 0)
    assert same == (source.level == "chosen")
    # n is in no key but through the plan that a nonce bears witness of.
    longer = source.key(SUBJECT | {"n": 6}, 0) == source.key(SUBJECT, 0)
    assert longer == (source.level != "witnessed")


def test_fresh_keys_follow_from_nothing():
    source = KeySource(level="fresh")
    assert source.key(SUBJECT, 0) != source.key(SUBJECT, 0)
    with pytest.raises(Refused, match="does not follow from the header"):
        key_of(source.to_json(), SUBJECT, 0)


def test_ties_go_to_the_lowest_index():
    assert claim.winner([3, 7, 7]) == 1
    assert claim.winner([0, 0]) == 0


def test_votes_are_counted_again():
    about = replace(made("clopper_pearson", 0), votes=(0, 0), sigma=Fraction(5))
    votes = claim.count_votes(lambda c: [c[0], 0], [3], about, 400, (1, 2), 1, (-128, 127))
    assert sum(votes) == 400
    assert 200 < votes[0] < 400


def exact_mixture(p0, n, k, level):
    """The same decision in rationals, of which nothing is rounded."""
    p0 = Fraction(p0, 1 << 48)
    above = [p0 + Fraction((1 << 48) * (1 - p0) // 2**i, 1 << 48) for i in range(1, 9)]
    above += [1 - Fraction((1 << 48) * (1 - p0) // 2**i, 1 << 48) for i in range(2, 8)]
    mean = sum((q / p0) ** k * ((1 - q) / (1 - p0)) ** (n - k) for q in above) / len(above)
    return mean * level >= 1


def test_the_mixture_is_decided_as_in_rationals():
    rng, decided = random.Random(4), []
    for _ in range(300):
        n = rng.choice([0, 1, 5, 40, 120])
        k = rng.choice([0, n, rng.randint(0, n), max(n - 1, 0)])
        p0 = rng.choice([1 << 47, rng.randrange(1 << 47, 1 << 48), (1 << 48) - 256])
        level = Fraction(1, rng.choice([2, 20, 1000, 10**30]))
        decided.append(claim._mixture(p0, n, k, level))
        assert decided[-1] == exact_mixture(p0, n, k, level), (p0, n, k, level)
    assert 30 < sum(decided) < 270


@pytest.mark.parametrize("k", [0, 1, 5_100_000, 9_000_000, 9_999_999, 10**7])
def test_the_most_votes_cost_their_reader_nothing(k):
    """Numbers of half a billion bits, were they written out; the fast path's bound stands."""
    level = Fraction(1, 1000)
    p0 = lower_confidence(k, 10**7, level)
    assert claim._mixture(p0 or 1 << 47, 10**7, k, level) == bool(p0)
    assert not claim._mixture(min(p0 + 1024, (1 << 48) - 256), 10**7, k, level)
    assert not claim._mixture(1 << 48, 10**7, k, level)
    assert not claim._mixture(p0 or 1 << 47, 10**7, k, Fraction(0))
    assert not claim._mixture(p0 or 1 << 47, 10**7, k, Fraction(-1))
