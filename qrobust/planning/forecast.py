"""What a method would say of a class of known probability, and how many votes it would take.

A fixed bound certifies a radius where so many of its votes are for the class: a binomial tail. A
sequential test is run on votes drawn with each probability, `_PATHS` times: its checkpoints, its
pilot and its giving up as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.binomial import tail_is_below
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.last_true import last_true
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import charged_level, check_samples
from qrobust.certify.methods.make_method import make_method
from qrobust.certify.methods.sequential import Sequential
from qrobust.certify.methods.settings import CLOPPER_PEARSON, SEQUENTIALS, Settings
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

#: Simulated tests of each probability: of many images their chance averages out.
_PATHS = 400
_SEED = 0


@dataclass(frozen=True)
class Forecast:
    """What a method does at each probability of a grid.

    Attributes:
        accepted: float64[points], chance that the radius is certified.
        samples: float64[points], votes that it takes, pilot included, on average.
    """

    accepted: NDArray[np.float64]
    samples: NDArray[np.float64]


def forecast(
    settings: Settings, radius: Fraction, p: NDArray[np.float64], smoothing: GaussianSmoothing
) -> Forecast:
    """Return what a method would do with classes of such probabilities.

    Args:
        settings: of the method: ``"clopper_pearson"``, or a sequential test of this radius.
        radius: in LSB.
        p: float64[points], probabilities in (0, 1).
        smoothing: of the network's inputs.

    Raises:
        CertifyError: another method, or one that could never certify the radius.
    """
    if settings.method == CLOPPER_PEARSON:
        level = charged_level(rational(settings.alpha, "alpha"), settings.n, smoothing.variation)
        check_samples(settings.n, level)
        least = least_votes(settings.n, smoothing.probability(radius), level)
        drawn = np.full(len(p), float(settings.n0 + settings.n))
        return Forecast(_chance_of(least, settings.n, p), drawn)
    if settings.method in SEQUENTIALS and rational(settings.radius or "", "a radius") == radius:
        test = make_method(settings, smoothing, 2)
        if isinstance(test, Sequential):
            return _simulated(test, p)
    raise CertifyError(
        f"no forecast of {settings.method}; there is one of {CLOPPER_PEARSON}, and of "
        f"{', '.join(SEQUENTIALS)} at their own radius"
    )


def smoothing_of(sigma: Fraction, span: int, coordinates: int) -> GaussianSmoothing:
    """Return the noise of a network's inputs; what the grid's integers are does not matter."""
    table = noise_table("rounded_gaussian", sigma, span)
    return GaussianSmoothing(table, InputGrid("int8", 1.0, 0), coordinates)


@lru_cache(maxsize=256)
def least_votes(n: int, p0: int, level: Fraction) -> int:
    """Return the fewest of ``n`` votes that show more than ``p0``; ``n + 1`` where none do.

    Args:
        n: samples.
        p0: in units of ``2**-48``.
        level: error probability after charges.
    """
    p = p0 / (1 << 48)
    deviations = -NormalDist().inv_cdf(max(float(level), 1e-300))
    guess = int(n * p + deviations * (n * p * (1 - p)) ** 0.5)
    return last_true(lambda k: not tail_is_below(n, k, p0, level), 0, n + 1, guess) + 1


def _chance_of(least: int, n: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """``P(Bin(n, p) >= least)`` for every probability."""
    if least > n:
        return np.zeros(len(p))
    # Past so many standard deviations, 1/2 at most, nothing is left that a float would show.
    far = 20 * (isqrt(n) + 20)
    k = np.arange(n + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(k[1:]))])
    tails = []
    for q in p:
        begin = max(least, int(n * q) - far)
        votes = k[begin : max(begin, int(n * q)) + far]
        choose = factorials[n] - factorials[votes] - factorials[n - votes]
        tails.append(np.exp(choose + votes * np.log(q) + (n - votes) * np.log1p(-q)).sum())
    return np.array(tails, np.float64).clip(0.0, 1.0)


def _simulated(test: Sequential, p: NDArray[np.float64]) -> Forecast:
    rng = np.random.default_rng(_SEED)
    chances = np.repeat(p, _PATHS)
    votes, drawn = np.zeros(len(chances), np.int64), np.full(len(chances), test.n0)
    accepted = np.zeros(len(chances), bool)
    active = np.flatnonzero(rng.binomial(test.n0, chances) > test.hopeless)
    last = 0
    for checkpoint in test.test.checkpoints:
        votes[active] += rng.binomial(checkpoint.n - last, chances[active])
        drawn[active] += checkpoint.n - last
        last = checkpoint.n
        accepted[active] = votes[active] >= checkpoint.accept
        active = active[(votes[active] < checkpoint.accept) & (votes[active] > checkpoint.give_up)]
        if not len(active):
            break
    shape = (len(p), _PATHS)
    return Forecast(accepted.reshape(shape).mean(1), drawn.reshape(shape).mean(1))
