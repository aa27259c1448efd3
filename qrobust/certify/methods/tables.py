"""Votes to radius as an integer table, so that a device only counts and looks up."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, lower_bound
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational, text
from qrobust.certify.arithmetic.radius import ABSTAIN, charged_level, check_samples
from qrobust.certify.methods.sequential import SequentialTest, sequential_test
from qrobust.certify.smoothings.smoothing import Smoothing

_MAX_RADIUS = (1 << 32) - 1


@dataclass(frozen=True)
class RadiusTable:
    """The certified radius of every vote count, for one ``n`` and ``alpha``.

    Attributes:
        n: samples of the bound.
        alpha: error probability, the sampler's error included.
        least_votes: fewest votes that certify anything; below, abstain.
        radii: Q16 LSB radius of ``least_votes``, ``least_votes + 1``, ... ``n`` votes.
    """

    n: int
    alpha: Fraction
    least_votes: int
    radii: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.least_votes <= self.n or len(self.radii) != self.n - self.least_votes + 1:
            raise CertifyError(
                f"a radius table for n={self.n} from {self.least_votes} votes on cannot have "
                f"{len(self.radii)} entries"
            )
        rising = all(a <= b for a, b in zip(self.radii, self.radii[1:], strict=False))
        if not rising or not 0 <= self.radii[0] <= self.radii[-1] <= _MAX_RADIUS:
            raise CertifyError("the radii of a table must rise with the votes, within 32 bits")

    def radius_q16(self, votes: int) -> int:
        """Return the radius of a vote count in Q16 LSB, or `ABSTAIN`."""
        if not 0 <= votes <= self.n:
            raise CertifyError(f"{votes} votes of {self.n}")
        return ABSTAIN if votes < self.least_votes else self.radii[votes - self.least_votes]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; the radii are base64 of little-endian uint32."""
        packed = array("I", self.radii)
        if sys.byteorder == "big":
            packed.byteswap()
        return {
            "n": self.n,
            "alpha": text(self.alpha),
            "least_votes": self.least_votes,
            "radii_q16": base64.b64encode(packed.tobytes()).decode(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RadiusTable:
        """Read what :meth:`to_json` wrote; raise `CertifyError` where it is damaged."""
        try:
            packed = array("I", base64.b64decode(value["radii_q16"], validate=True))
            if sys.byteorder == "big":
                packed.byteswap()
            n, least = value["n"], value["least_votes"]
            alpha = rational(value["alpha"], "alpha of a radius table")
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise CertifyError(f"a damaged radius table in the smoothing spec: {error}") from None
        if type(n) is not int or type(least) is not int:
            raise CertifyError("a damaged radius table in the smoothing spec: counts are integers")
        return cls(n, alpha, least, tuple(packed))


@dataclass(frozen=True)
class SequentialTable:
    """The thresholds of a sequential test, with what they are for.

    Attributes:
        radius: certified when accepted, in LSB (L2) or pixels (L0).
        alpha: error probability, the sampler's error included.
        test: p0, level and checkpoints.
    """

    radius: Fraction
    alpha: Fraction
    test: SequentialTest

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "radius": text(self.radius),
            "alpha": text(self.alpha),
            **self.test.to_json(),
        }

    @classmethod
    def from_json(cls, value: Any) -> SequentialTable:
        """Read what :meth:`to_json` wrote; raise `CertifyError` where it is damaged."""
        test = SequentialTest.from_json(value)
        radius = rational(value.get("radius"), "radius of a sequential test")
        return cls(radius, rational(value.get("alpha"), "alpha of a sequential test"), test)


def sequential_table(
    radius: Fraction, n: int, alpha: Fraction, smoothing: Smoothing
) -> SequentialTable:
    """Compute the thresholds of a test of up to ``n`` samples; a second or so, on the host."""
    level = charged_level(alpha, n, smoothing.variation)
    return SequentialTable(radius, alpha, sequential_test(smoothing.probability(radius), level, n))


def radius_table(n: int, alpha: Fraction, smoothing: Smoothing) -> RadiusTable:
    """Compute the table of a smoothing: seconds for ``n = 10,000``, once, on the host.

    Args:
        n: samples of the bound.
        alpha: allowed error probability (the sampler's error is charged to it).
        smoothing: of the inputs.

    Raises:
        CertifyError: ``n`` can never certify anything at ``alpha``.
    """
    level = charged_level(alpha, n, smoothing.variation)
    check_samples(n, level)
    radii: list[int] = []
    guess: int | None = None
    for votes in range(n, 0, -1):
        # One vote less lowers the bound by about 1/n: a guess that saves most of the search.
        probability = lower_bound(n, votes, level, guess=guess)
        radius = smoothing.radius_q16(probability, (1 << PROBABILITY_BITS) - probability)
        if radius == ABSTAIN:
            break
        radii.append(radius)
        guess = probability - (1 << PROBABILITY_BITS) // n
    return RadiusTable(n, alpha, n - len(radii) + 1, tuple(reversed(radii)))
