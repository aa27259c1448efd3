r"""Estimate again with the auditor's own key: which certificates can it refute?

A line claims ``p_A >= p0 = Phi(R / sigma)`` (for two-class bounds a pair of probabilities). With
``k`` of ``n`` votes of an independent key it is refuted where ``P(Bin(n, p0) <= k) < gamma / N``
over ``N`` lines, so that with probability ``1 - gamma`` no true line is refuted. That alpha of the
attempted images are false is what certificates allow; more are evidence against all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from qrobust.certify.arithmetic.binomial import (
    PROBABILITY_BITS,
    lower_bound,
    tail_is_below,
    upper_bound,
)
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.gaussian import cdf_floor
from qrobust.certify.arithmetic.last_true import last_true
from qrobust.certify.arithmetic.streams import Key, Purpose
from qrobust.certify.auditing.offline import Checked
from qrobust.certify.methods.settings import TWO_CLASS
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.certifier import Certifier
from qrobust.certify.run.data import Data

_ONE = 1 << PROBABILITY_BITS
_Q16 = 1 << 16

#: A shortfall is found with this probability.
POWER = Fraction(95, 100)


@dataclass(frozen=True)
class Fresh:
    """What an estimate with another key says of one line.

    Attributes:
        line: its number.
        index: of the image.
        votes: for its label.
        n: samples.
        refuted: whether the claim is refuted at its share of gamma.
        shortfall: of p_A below the claim that would have been found with probability .95.
    """

    line: int
    index: int
    votes: int
    n: int
    refuted: bool
    shortfall: Fraction


def estimate_again(
    checked: Checked,
    certifier: Certifier,
    data: Data,
    number: int,
    *,
    seed: int,
    n: int,
    level: Fraction,
) -> Fresh:
    """Test one certified line.

    Args:
        checked: the journal.
        certifier: of the model.
        data: that it was run on.
        number: of the line.
        seed: the auditor's own, that nobody else knew.
        n: samples.
        level: ``gamma / N``.
    """
    certificate = checked.certificates[number]
    key: Key = (seed, certificate.index)
    votes = certifier.votes(
        data.x[certificate.index], n, index=certificate.index, key=key, purpose=Purpose.PREDICT
    )
    k = int(votes[certificate.label])
    if checked.head.settings.method == TWO_CLASS:
        others = [int(v) for c, v in enumerate(votes) if c != certificate.label]
        refuted, shortfall = _two_class(certifier, certificate, k, others, n, level)
    else:
        p0 = claimed_probability(certificate)
        refuted = _refuted(k, n, p0, level)
        shortfall = found_shortfall(p0, n, level)
    return Fresh(number, certificate.index, k, n, refuted, shortfall)


def claimed_probability(certificate: Certificate) -> int:
    """Return ``Phi(R / sigma)`` in units of ``2**-48``, rounded down.

    Raises:
        CertifyError: a line that claims no probability, because it is certain.
    """
    if certificate.sigma is None:
        raise CertifyError(f"{certificate.noise} are counted, not estimated")
    radius = Fraction(certificate.radius_q16, _Q16)
    return cdf_floor(radius / Fraction(certificate.sigma), PROBABILITY_BITS)


def _refuted(k: int, n: int, p0: int, level: Fraction) -> bool:
    """Whether ``P(Bin(n, p0) <= k) < level``, in votes for other classes."""
    return n > k and tail_is_below(n, n - k, _ONE - p0, level)


def found_shortfall(p0: int, n: int, level: Fraction) -> Fraction:
    """Return how far below ``p0`` a probability is refuted with probability .95."""
    most = last_true(lambda k: _refuted(k, n, p0, level), -1, n, n // 2)
    if most < 0:
        return Fraction(p0, _ONE)
    # The largest p with P(Bin(n, p) > most) < .05 is refuted with .95.
    return Fraction(p0 - lower_bound(n, most + 1, 1 - POWER), _ONE)


def _two_class(
    certifier: Certifier,
    certificate: Certificate,
    k: int,
    others: list[int],
    n: int,
    level: Fraction,
) -> tuple[bool, Fraction]:
    """A claim about two probabilities: refuted where the best that both may be is too little."""
    above = upper_bound(n, k, level / 2)
    # Any of the other classes may be the one that is bounded: they share their half.
    below = lower_bound(n, max(others), level / (2 * len(others)))
    best = certifier.smoothing.radius_q16(above, below)
    # Both bounds move by about as much as one of them at its own half of the level.
    return best < certificate.radius_q16, found_shortfall(k * _ONE // n, n, level / 2)
