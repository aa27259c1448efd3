"""How sure a network is of many images, from a journal: a law of the votes' shares, by likelihood.

Every line tells of one image how many of its votes were for the class that the pilot chose. Of long
lines the share of votes is the probability, nearly; a sequential test leaves lines of all lengths,
short ones where it was easily decided. So the law of the probabilities over images is fitted first,
as weights on a grid, by maximum likelihood; what a line says of an image is proportional to
``p^k (1 - p)^(n - k)``, whatever the rule that stopped it. Each image then has its own law: the
fitted one, given its votes.

References:
    Laird, JASA 73 (1978): nonparametric maximum likelihood of a mixing law, by EM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.gaussian import cdf_floor
from qrobust.certify.arithmetic.noise_table import MAX_SIGMA
from qrobust.certify.methods.outcome import UNDECIDED
from qrobust.certify.methods.settings import MOST_SAMPLES, SEQUENTIALS
from qrobust.certify.run.certificate import Certificate

_UNIT = 1 << 48
#: Widest input grid, in LSB.
MAX_SPAN = 255
_ROUNDS = 300
#: An image is told from one of a higher probability by so many votes against it, on average.
_AGAINST = 3


def grid() -> NDArray[np.float64]:
    """Return the probabilities that the law sits on: every hundredth, and denser towards 1."""
    coarse = np.arange(0.005, 0.8, 0.01)
    fine = 1 - np.geomspace(0.2, 1e-6, 240)
    return np.concatenate([coarse, fine])


@dataclass(frozen=True)
class Images:
    """What one or more journals of a network tell of its images.

    Attributes:
        p: float64[points], the grid.
        law: float64[images, points], of each image's probability of its class; rows sum to 1.
        right: bool[images], whether that class is the true one; None where the classes are unknown.
        sigma: of the noise, in LSB.
        reach: the largest radius, in LSB, up to which the votes tell images apart.
        reason: why no further, in words.
        unit: what one LSB is, in words; None where the journal does not say.
    """

    p: NDArray[np.float64]
    law: NDArray[np.float64]
    right: NDArray[np.bool_]
    sigma: Fraction
    reach: Fraction
    reason: str
    unit: str | None

    @property
    def count(self) -> int:
        """How many images."""
        return len(self.law)

    def average(self, of_p: NDArray[np.float64]) -> float:
        """Mean over images of something that depends on the probability."""
        return float((self.law @ of_p).mean())

    def share(self, accepted: NDArray[np.float64]) -> float:
        """Share of images certified with the right class.

        Args:
            accepted: float64[points], chance that a class of that probability is certified.
        """
        return float((self.right * (self.law @ accepted)).mean())


def images_of(journals: Sequence[Iterable[Certificate]], where: str) -> Images:
    """Return what journals of one network tell; of an image in several its longest line.

    Args:
        journals: each with one method, all of one file, data and sigma.
        where: for messages.

    Raises:
        CertifyError: no certificates, counted views, no true classes, or journals that differ.
    """
    longest: dict[int, Certificate] = {}
    lines = [certificate for journal in journals for certificate in journal]
    if not lines:
        raise CertifyError(f"{where} holds no certificates; certify some images first")
    for line in lines:
        _check(line, where)
        known = longest.get(line.index)
        if known is not None and known.input_sha256 != line.input_sha256:
            raise CertifyError(f"{where}: image {line.index} is another one in another journal")
        if known is None or known.samples < line.samples:
            longest[line.index] = line
    if len({(line.model_sha256, line.sigma, line.span, line.coordinates) for line in lines}) > 1:
        raise CertifyError(f"{where}: journals of several files, or sigmas; give those of one")
    chosen = list(longest.values())
    votes = np.array([line.votes[c] + _pilot(line)[c] for line in chosen for c in [line.candidate]])
    drawn = np.array([line.samples for line in chosen])
    p = grid()
    sigma = rational(chosen[0].sigma or "", "sigma")
    reach, reason = _reach(lines, sigma)
    return Images(
        p=p,
        law=laws(votes, drawn, p),
        right=np.array([line.candidate == line.y for line in chosen]),
        sigma=sigma,
        reach=reach,
        reason=reason,
        unit=chosen[0].unit,
    )


def _check(line: Certificate, where: str) -> None:
    """Refuse a line that tells nothing, or numbers that no run gives: anybody may have written it.

    What only an audit can tell is left to it.
    """
    if line.sigma is None:
        raise CertifyError(f"{where} counts {line.noise}: without noise there is nothing to plan")
    if line.pilot_votes is None or line.y is None:
        raise CertifyError(f"{where}: without pilot votes and true classes nothing can be forecast")
    counts = len(line.votes) == len(line.pilot_votes) > line.candidate
    counts = counts and (sum(line.pilot_votes), sum(line.votes)) == (line.n0, line.n)
    counts = counts and 1 <= line.samples and max(line.n0, line.n) <= MOST_SAMPLES
    counts = counts and 0 < rational(line.sigma, "sigma") <= MAX_SIGMA and line.span <= MAX_SPAN
    if not counts or not isinstance(line.settings.get("method"), str):
        raise CertifyError(
            f"{where}: no run gives such votes of image {line.index}; qrobust audit says what is "
            "wrong"
        )


def _pilot(line: Certificate) -> tuple[int, ...]:
    return line.pilot_votes or ()


def laws(
    votes: NDArray[np.int64], drawn: NDArray[np.int64], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return float64[images, points]: what votes say of each image, given those of all.

    Args:
        votes: int64[images], for the class.
        drawn: int64[images], in all.
        p: float64[points], probabilities in (0, 1).
    """
    logs = votes[:, None] * np.log(p) + (drawn - votes)[:, None] * np.log1p(-p)
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights = np.full(len(p), 1 / len(p))
    for _ in range(_ROUNDS):  # einsum: no threads that wait for each other on a busy machine
        shares = 1 / np.einsum("ij,j->i", likelihood, weights)
        weights = weights * np.einsum("ij,i->j", likelihood, shares) / len(votes)
    joint = likelihood * weights
    found: NDArray[np.float64] = joint / joint.sum(axis=1, keepdims=True)
    return found


def _reach(lines: Sequence[Certificate], sigma: Fraction) -> tuple[Fraction, str]:
    """The largest radius at which every image is known, and what limits the one known least."""
    known: dict[int, tuple[Fraction, str]] = {}
    for line in lines:
        here = _reach_of(line, sigma)
        if line.index not in known or known[line.index][0] < here[0]:
            known[line.index] = here
    return min(known.values())


def _reach_of(line: Certificate, sigma: Fraction) -> tuple[Fraction, str]:
    here = _farthest(line.samples, sigma)
    why = f"{line.samples:,} votes of an image show no probability nearer to 1"
    if line.settings["method"] not in SEQUENTIALS:
        return here, why
    radius = rational(str(line.settings.get("radius")), "the radius")
    if line.decision == UNDECIDED and here < radius:  # a deadline may end a test at any vote
        return here, why
    return radius, f"a test stops once {float(radius):g} LSB are decided"


@lru_cache(maxsize=1 << 12)
def _farthest(votes: int, sigma: Fraction) -> Fraction:
    """Radius of the probability that has `_AGAINST` of so many votes against it."""
    reach, step = Fraction(0), sigma / 64
    while cdf_floor((reach + step) / sigma, 48) < _UNIT - _UNIT * _AGAINST // votes:
        reach += step
    return reach
