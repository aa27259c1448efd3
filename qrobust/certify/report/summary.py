"""What a set of certificates says: certified shares at radii with confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, lower_bound, upper_bound
from qrobust.certify.arithmetic.exact_numbers import Exact, rational
from qrobust.certify.arithmetic.radius import RADIUS_BITS
from qrobust.certify.run.certificate import Certificate
from tflite_export.printable import printable

#: Radii in multiples of sigma at which a summary gives the share, where nobody asks for others.
_MULTIPLES = (0, 0.5, 1, 1.5, 2, 3)
_PIXELS = (0, 1, 2, 4, 8, 16)

#: Intervals cover the share over all such images with this probability.
CONFIDENCE = Fraction(95, 100)


@dataclass(frozen=True)
class Share:
    """How many images are certified at a radius.

    Attributes:
        radius: in LSB (L2) or pixels (L0).
        certified: images whose label (the true class, where known) holds at the radius.
        images: all images.
    """

    radius: Fraction
    certified: int
    images: int

    @property
    def value(self) -> float:
        """The share."""
        return self.certified / self.images if self.images else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Exact two-sided Clopper-Pearson interval of the share over all such images."""
        if not self.images:
            return 0.0, 1.0
        level = (1 - CONFIDENCE) / 2
        unit = 1 << PROBABILITY_BITS
        low = lower_bound(self.images, self.certified, level) / unit
        return low, upper_bound(self.images, self.certified, level) / unit


class Summary:
    """Counts over the certificates of one journal.

    Args:
        certificates: in any order.
    """

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        self.certificates = list(certificates)

    @property
    def labelled(self) -> bool:
        """Whether the true class of every image is known."""
        return bool(self.certificates) and all(c.y is not None for c in self.certificates)

    @property
    def unit(self) -> str:
        """What radii are measured in."""
        return "pixels" if self.certificates and self.certificates[0].norm == "l0" else "LSB"

    def share(self, radius: Exact) -> Share:
        """Return how many images are certified (and, where known, right) at a radius."""
        exact = rational(radius, "a radius")
        least = ceil(exact * (1 << RADIUS_BITS))
        certified = sum(
            not c.abstained and c.correct is not False and c.radius_q16 >= least
            for c in self.certificates
        )
        return Share(exact, certified, len(self.certificates))

    @property
    def radii(self) -> list[Fraction]:
        """Radii at which the summary gives the share unless told others."""
        if not self.certificates:
            return []
        first = self.certificates[0]
        if first.norm == "l0":
            return [Fraction(pixels) for pixels in _PIXELS]
        if first.settings.get("radius") is not None:
            return [Fraction(0), Fraction(first.settings["radius"])]
        return [Fraction(multiple) * Fraction(first.sigma) for multiple in _MULTIPLES]

    def shares(self, radii: Sequence[Exact] | None = None) -> list[Share]:
        """Return the share at every radius."""
        return [self.share(radius) for radius in (self.radii if radii is None else radii)]

    def to_json(self, radii: Sequence[Exact] | None = None) -> dict[str, Any]:
        """Return a JSON object."""
        name = "certified_accuracy" if self.labelled else "certified_share"
        return {
            "images": len(self.certificates),
            "abstained": sum(c.abstained for c in self.certificates),
            "samples": sum(c.samples for c in self.certificates),
            "radius_unit": self.unit,
            name: {f"{float(share.radius):g}": share.value for share in self.shares(radii)},
        }

    def text(self, radii: Sequence[Exact] | None = None) -> str:
        """Return a small table for people."""
        images = len(self.certificates)
        samples = sum(c.samples for c in self.certificates)
        lines = [
            f"{images} images, {sum(c.abstained for c in self.certificates)} abstained, "
            f"{samples / max(images, 1):.0f} samples each on average"
        ]
        if images and self.certificates[0].unit:
            lines.append(f"one LSB: {printable(self.certificates[0].unit)}")
        if images:
            name = "certified accuracy" if self.labelled else "certified share"
            lines.append(f"{'radius (' + self.unit + ')':>16}  {'on [0, 1]':>9}  {name} (95 %)")
        for share in self.shares(radii):
            radius = float(share.radius)
            unit = f"{radius / self.certificates[0].span:9.4f}" if self.unit == "LSB" else " " * 9
            low, high = share.interval
            lines.append(f"{radius:16g}  {unit}  {share.value:6.1%}  ({low:.1%} to {high:.1%})")
        return "\n".join(lines)
