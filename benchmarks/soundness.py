"""Do certificates lie more often than they may? Counted where the truth is known.

    python benchmarks/soundness.py [--runs 10000] [--seed 0] [--only METHOD ...]
        [--record soundness] [--tiny]

Linear integer networks of 2 and 200 coordinates under saturated noise, whose exact law and true
robust radius come from ``linear_laws.py``. Each method certifies the input, out of a pool, at
which trials found it wrong most often: there the true radius lies just below what the method
certifies when the votes are a little lucky. A *violation* is a certificate with the wrong label or
a radius beyond the true one; *unlicensed* is the stricter count of radii beyond what the theorem
gives for the true probabilities, which the method may exceed with probability alpha, too.

Votes come from the sampler's own streams (every certificate under a key of its own) through a NumPy
classifier, and, as many again, straight from the exact law. What may stop at any moment is also
stopped at the worst one, by a clock that knows the truth and the votes. Alpha is .05; the interval
is the exact 99.9 % one of Clopper and Pearson. A method fails where the interval lies above alpha.

The second table plants mistakes, which must fail: ``pilot reused`` bounds the very samples that
chose the class (at an input between two classes, with as long a pilot as the bound), ``votes + 1``
counts one vote too many, ``level doubled`` tests at twice alpha, ``overlapping streams`` lets
neighbouring samples share half of their noise. A method that wastes much of its alpha can hide a
mistake; under Clopper and Pearson's bound every one must show, at either size.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import count, product
from math import comb, isqrt
from typing import Any

import numpy as np
import results
from linear_laws import CLASSES, Crowd, Network, Place, exceeds, pair_places
from stream_draws import (
    LawDraws,
    OneVoteMore,
    Overlapping,
    PilotReused,
    StreamDraws,
    WorstMoment,
)
from tabulate import tabulate
from tqdm import tqdm

from qrobust.certify.arithmetic.binomial import lower_bound, upper_bound
from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import ABSTAIN, RADIUS_BITS
from qrobust.certify.methods.confidence_sequence import ConfidenceSequence, lower_confidence
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.outcome import Draws, Method
from qrobust.certify.methods.settings import (
    ANYTIME,
    CLOPPER_PEARSON,
    CONFIDENCE_SEQUENCE,
    SAMPLING,
    SEQUENTIALS,
    TWO_CLASS,
    Settings,
)
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

ALPHA = Fraction(1, 20)
N0, N = 40, 100
SIGMAS = (20, 64)  # saturating hardly and often
CONFIDENCE = Fraction(1, 2000)  # each side of an interval
POOL = 16
UNIT = 1 << 48


# Places


def smoothing(place: Place) -> GaussianSmoothing:
    table = noise_table("rounded_gaussian", place.sigma, 255)
    return GaussianSmoothing(table, InputGrid("int8", 1.0, -128), len(place.x))


def pairs(two_class: bool, rng: np.random.Generator) -> Iterator[Place]:
    """Inputs of two coordinates; the middle class is half a deviation of the score wide, or not."""
    for sigma in map(Fraction, SIGMAS):
        half = int(two_class * sigma * 13 / 4)
        yield from pair_places(Network((7, 11), half, -half), sigma, rng)


def crowds(size: int, two_class: bool) -> Iterator[Place]:
    """Inputs of many coordinates, one, two or three whole steps from turning, or a little less."""
    for sigma, share, step, few in product(SIGMAS, range(16, 25), (1, 2, 3), range(2)):
        scale = Fraction(sigma * share, 20)
        half = int(two_class * scale * isqrt(size) / 4)
        middle = few + 1 - size * step
        network = Network((1,) * size, middle + half, middle - half)
        place = Crowd(network, scale).place()
        if place is not None:
            yield place


@lru_cache
def places(size: int, two_class: bool, seed: int) -> list[Place]:
    """Inputs that are neither hopeless nor certain."""
    rng = np.random.default_rng(seed)
    low, high = (0.36, 0.8) if two_class else (0.6, 0.97)
    found = pairs(two_class, rng) if size == 2 else crowds(size, two_class)
    return [place for place in found if low < place.p[0] < high]


@lru_cache
def pool(size: int, two_class: bool, seed: int, alpha: Fraction) -> list[Place]:
    """Places at which a certificate is easily wrong: where the theorem, or the bound, is tight."""
    if two_class:
        return sorted(places(size, True, seed), key=lambda place: place.slack)[:POOL]
    return sorted(places(size, False, seed), key=lambda place: chance(place, alpha))[-POOL:]


def chance(place: Place, alpha: Fraction) -> float:
    """Probability that Clopper and Pearson's bound is wrong at a place, nearly."""
    level = method_at(CLOPPER_PEARSON, place, alpha=alpha).level
    law = smoothing(place)
    for votes in range(N, N // 2, -1):
        lower = lower_bound_of(votes, level)
        if not exceeds(law.radius_q16(lower, UNIT - lower), place.turn):
            break
    p = place.p[0]
    return sum(comb(N, k) * p**k * (1 - p) ** (N - k) for k in range(votes + 1, N + 1))


@lru_cache(maxsize=1 << 10)
def lower_bound_of(votes: int, level: Fraction) -> int:
    return lower_bound(N, votes, level)


@lru_cache
def coin(size: int) -> Place:
    """An input between two classes, where a step is little of the noise."""
    sigma = Fraction(SIGMAS[-1])
    if size == 2:
        places = pair_places(Network((7, 11), 0, 0), sigma, np.random.default_rng(0))
        return min(places, key=lambda place: place.p[0])
    crowds = (Crowd(Network((1,) * size, t, t), sigma) for t in count(0, -1))
    return next(place for crowd in crowds if (place := crowd.place()) is not None)


def method_at(name: str, place: Place, *, alpha: Fraction = ALPHA, n0: int = N0) -> Method:
    """The method, and, where it tests one radius, a radius just beyond the true one."""
    n = N * (10 if name in SEQUENTIALS else 4 if name in (ANYTIME, CONFIDENCE_SEQUENCE) else 1)
    radius = f"{place.radius + 1e-4:.4f}" if name in SEQUENTIALS else None
    gain = "0.05" if name == ANYTIME else None
    settings = Settings(method=name, n0=n0, n=n, alpha=f"{float(alpha)}", radius=radius, gain=gain)
    return make_method(settings, smoothing(place), CLASSES)


# Counts


@dataclass
class Tally:
    """What came out of some certificates."""

    runs: int = 0
    certified: int = 0
    violations: int = 0
    unlicensed: int = 0

    def interval(self) -> tuple[float, float]:
        """Exact 99.9 % interval of the rate of violations."""
        low = lower_bound(self.runs, self.violations, CONFIDENCE)
        return low / UNIT, upper_bound(self.runs, self.violations, CONFIDENCE) / UNIT

    @property
    def refuted(self) -> bool:
        """Whether the rate lies above alpha beyond doubt."""
        return self.interval()[0] > ALPHA


def tally(name: str, method: Method, place: Place, draws: Iterable[Draws]) -> Tally:
    licensed = place.licensed(name == TWO_CLASS)
    found = Tally()
    for one in draws:
        outcome = method.run(one)
        found.runs += 1
        if outcome.radius_q16 == ABSTAIN:
            continue
        wrong = outcome.candidate != place.label
        found.certified += 1
        found.violations += wrong or exceeds(outcome.radius_q16, place.turn)
        found.unlicensed += wrong or outcome.radius_q16 > licensed * 2**RADIUS_BITS
    return found


def from_law(place: Place, rng: np.random.Generator, runs: int) -> Iterator[Draws]:
    return (LawDraws(place.p, rng) for _ in range(runs))


def from_streams(
    place: Place, seed: int, runs: int, kind: type[StreamDraws] = StreamDraws
) -> Iterator[Draws]:
    sampler = NoiseSampler(smoothing(place).noise, len(place.x))
    return (kind(place, sampler, (seed, index)) for index in range(runs))


def at_worst_moments(method: Method, place: Place, seed: int, runs: int) -> Iterator[Draws]:
    """Votes that stop where the bound is wrong."""
    if not isinstance(method, ConfidenceSequence):
        raise TypeError(f"{method} bounds one moment; it has no other")
    rng, fewest, votes = np.random.default_rng(seed), [], 0
    for size in range(1, method.n + 1):
        while votes <= size:
            lower = lower_confidence(votes, size, method.level)
            if lower and exceeds(smoothing(place).radius_q16(lower, UNIT - lower), place.turn):
                break
            votes += 1
        fewest.append(votes)
    return (WorstMoment(place.p, rng, np.array(fewest)) for _ in range(runs))


@lru_cache
def worst(name: str, size: int, trials: int, seed: int, *, alpha: Fraction = ALPHA) -> Place:
    """The place of the pool at which trials at a level found most violations."""
    rng = np.random.default_rng(seed)

    def violations(place: Place) -> int:
        draws = from_law(place, rng, max(trials, 100))
        return tally(name, method_at(name, place, alpha=alpha), place, draws).violations

    return max(pool(size, name == TWO_CLASS, seed, alpha), key=violations)


@dataclass(frozen=True)
class Mistake:
    """What is done wrong."""

    draws: type[StreamDraws]
    alpha: Fraction = ALPHA
    n0: int = N0


MISTAKES = {
    "votes + 1": Mistake(OneVoteMore),
    "level doubled": Mistake(StreamDraws, alpha=2 * ALPHA),
    "overlapping streams": Mistake(Overlapping),
    "pilot reused": Mistake(PilotReused, n0=N),
}


def honest(name: str, size: int, runs: int, seed: int) -> list[dict[str, Any]]:
    """Rows of a method as it is, where trials find it wrong most often."""
    place, rng = worst(name, size, runs // 20, seed), np.random.default_rng((seed, size))
    method = method_at(name, place)
    sources = {"streams": from_streams(place, seed, runs), "exact law": from_law(place, rng, runs)}
    if name == CONFIDENCE_SEQUENCE:
        sources["exact law, stopped at the worst moment"] = at_worst_moments(
            method, place, seed, runs
        )
    return [
        row(name, place, "votes of", source, tally(name, method, place, draws))
        for source, draws in sources.items()
    ]


def mistakes(name: str, size: int, runs: int, seed: int) -> list[dict[str, Any]]:
    """Rows of a method with a mistake planted."""
    rows = []
    for title, mistake in MISTAKES.items():
        reused = mistake.draws is PilotReused
        place = coin(size) if reused else worst(name, size, runs // 10, seed, alpha=mistake.alpha)
        method = method_at(name, place, alpha=mistake.alpha, n0=mistake.n0)
        draws = from_streams(place, seed, runs, mistake.draws)
        rows.append(row(name, place, "mistake", title, tally(name, method, place, draws)))
    return rows


def row(name: str, place: Place, key: str, value: str, found: Tally) -> dict[str, Any]:
    at = {"method": name, "coordinates": len(place.x), "sigma": float(place.sigma), key: value}
    low, high = found.interval()
    rates = {"rate": found.violations / found.runs, "from": low, "to": high}
    return {**at, **asdict(found), **rates, "refuted": found.refuted}


def verdict(honest: list[dict[str, Any]], mistakes: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the result; nothing, if all is well."""
    wrong = [f"{r['method']} lies more often than alpha" for r in honest if r["refuted"]]
    wrong += [
        f"{r['mistake']!r} goes unnoticed at {r['coordinates']} coordinates"
        for r in mistakes
        if r["method"] == CLOPPER_PEARSON and not r["refuted"]
    ]
    return wrong


def recorded(
    certificates: list[dict[str, Any]], mistakes: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Both tables as one, rates as counts."""
    return [
        {
            "method": r["method"],
            "coordinates": r["coordinates"],
            "sigma": r["sigma"],
            "votes of": r.get("votes of", "streams"),
            "mistake": r.get("mistake", ""),
            "certified": r["certified"],
            "violations": results.share(r["violations"], r["runs"]),
            "unlicensed": results.share(r["unlicensed"], r["runs"]),
            "above alpha": "yes" if r["refuted"] else "no",
        }
        for r in [*certificates, *mistakes]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=int, default=10_000, help="certificates of every row; half for a mistake"
    )
    parser.add_argument("--seed", type=int, default=0, help="of pools, votes and keys")
    parser.add_argument(
        "--only", nargs="+", choices=SAMPLING, default=SAMPLING, metavar="METHOD", help="no others"
    )
    results.add_arguments(parser)
    args = parser.parse_args()
    sizes, runs = ((2,), 500) if args.tiny else ((2, 200), args.runs)
    tables: dict[str, list[dict[str, Any]]] = {"certificates": [], "mistakes": []}
    for name, size in tqdm([(m, s) for s in sizes for m in args.only], unit="method"):
        tables["certificates"] += honest(name, size, runs, args.seed)
        tables["mistakes"] += mistakes(name, size, runs // 2, args.seed)
    for title, rows in tables.items():
        print(f"\n{title}, alpha {float(ALPHA)}\n")
        print(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".4f"))
    results.record(args.record, counts=recorded(**tables), seed=args.seed)
    if args.tiny:
        return 0  # too few to judge by
    wrong = verdict(*tables.values())
    planted = "; planted mistakes do" if CLOPPER_PEARSON in args.only else ""
    print("\n" + "\n".join(wrong or [f"no method exceeds alpha{planted}"]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
