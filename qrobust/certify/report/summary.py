"""What a set of certificates says: certified shares at radii with confidence intervals.

Certified accuracy is counted here and nowhere else. Where the true class of an image is not known,
its label counts; the share is then called a certified share, not an accuracy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS, lower_bound, upper_bound
from qrobust.certify.arithmetic.exact_numbers import Exact, rational, text
from qrobust.certify.arithmetic.joint import most_false
from qrobust.certify.arithmetic.radius import RADIUS_BITS
from qrobust.certify.run.certificate import L0, L1, L2, PATCH, Certificate
from qrobust.certify.run.keys import WITNESSED
from qrobust.certify.run.plan import CALLABLE, ON_TRUST
from tflite_export.printable import printable

#: Radii in multiples of sigma at which a summary gives the share, where nobody asks for others.
_MULTIPLES = (0, 0.5, 1, 1.5, 2, 3)
#: Of counting: L1 in LSB, sides of a patch and changed ones (L0) in pixels.
_FIXED: dict[str, tuple[int, ...]] = {
    L1: (0, 32, 64, 128, 255, 384, 510, 765, 1020),
    L0: (0, 1, 2, 3, 4, 6, 8, 12),
    PATCH: (0, 1, 2, 3, 5, 8),
}

#: Intervals cover the share over all such images with this probability.
CONFIDENCE = Fraction(95, 100)

#: Statements about all images together fail with this probability.
BETA = Fraction(1, 100)


def least_q16(radius: Exact) -> int:
    """Return the smallest certified radius, in units of ``2**-16``, that reaches a radius."""
    return ceil(rational(radius, "a radius") * (1 << RADIUS_BITS))


def counts(certificate: Certificate) -> bool:
    """Whether a certificate counts at radius 0: it does not abstain, and is not known wrong."""
    return not certificate.abstained and certificate.correct is not False


@dataclass(frozen=True)
class Share:
    """How many images are certified at a radius.

    Attributes:
        radius: in LSB (L2, L1) or pixels (patches, L0).
        certified: images whose label (the true class, where known) holds at the radius.
        images: all images.
    """

    radius: Fraction
    certified: int
    images: int

    @property
    def value(self) -> float:
        """``certified / images``; 0 where there are no images."""
        return self.certified / self.images if self.images else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Exact two-sided Clopper-Pearson interval of the share over all such images."""
        return share_interval(self.certified, self.images)


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Return the exact two-sided 95 % Clopper-Pearson interval of a share ``count / of``.

    Both ends are rounded outwards. Nothing counted says nothing: [0, 1].
    """
    if not of:
        return 0.0, 1.0
    level = (1 - CONFIDENCE) / 2
    unit = 1 << PROBABILITY_BITS
    return lower_bound(of, count, level) / unit, upper_bound(of, count, level) / unit


class Summary:
    """Counts over the certificates of one journal.

    Args:
        certificates: in any order.
        planned: images of the plan; those without a certificate count as not certified. As many
            as there are certificates where nobody tells.
    """

    def __init__(self, certificates: Iterable[Certificate], planned: int | None = None) -> None:
        self.certificates = list(certificates)
        self.images = max(planned or 0, len(self.certificates))

    @property
    def labelled(self) -> bool:
        """Whether the true class of every image is known."""
        return bool(self.certificates) and all(c.y is not None for c in self.certificates)

    @property
    def name(self) -> str:
        """What the share is: of right labels, or of labels."""
        return "certified accuracy" if self.labelled else "certified share"

    @property
    def unit(self) -> str:
        """What radii are measured in."""
        return "pixels" if self.norm in (L0, PATCH) else "LSB"

    @property
    def norm(self) -> str:
        """``"l2"``, ``"l1"``, ``"l0"`` or ``"patch"``."""
        return self.certificates[0].norm if self.certificates else L2

    @property
    def certain(self) -> bool:
        """Whether views were counted, so that no certificate can be false."""
        return bool(self.certificates) and all(c.sigma is None for c in self.certificates)

    @property
    def has_unit_scale(self) -> bool:
        """Whether radii divided by the span mean something: inputs are pixels, not features."""
        return self.unit == "LSB" and all(
            c.unit is None or c.unit.startswith("pixel") for c in self.certificates
        )

    @property
    def abstained(self) -> int:
        """How many images got no certificate."""
        return sum(c.abstained for c in self.certificates)

    @property
    def samples(self) -> int:
        """Noisy copies classified for all images."""
        return sum(c.samples for c in self.certificates)

    def share(self, radius: Exact) -> Share:
        """Return how many images are certified (and, where known, right) at a radius."""
        least = least_q16(radius)
        certified = sum(counts(c) and c.radius_q16 >= least for c in self.certificates)
        return Share(rational(radius, "a radius"), certified, self.images)

    @property
    def radii(self) -> list[Fraction]:
        """Radii at which the summary gives the share unless told others."""
        if not self.certificates:
            return []
        first = self.certificates[0]
        if first.settings.get("radius") is not None:
            return sorted({Fraction(0), Fraction(first.settings["radius"])})
        if first.sigma is None:
            return [Fraction(radius) for radius in _FIXED[first.norm]]
        return [Fraction(multiple) * Fraction(first.sigma) for multiple in _MULTIPLES]

    def shares(self, radii: Sequence[Exact] | None = None) -> list[Share]:
        """Return the share at every radius."""
        return [self.share(radius) for radius in (self.radii if radii is None else radii)]

    def curve(self) -> tuple[list[float], list[float]]:
        """Return every step of the certified share against the radius.

        Returns:
            Radii in LSB (or pixels), rising from 0, and the share certified up to and at each.
        """
        radii = sorted(c.radius for c in self.certificates if counts(c))
        total = self.images
        steps = [(0.0, len(radii) / total if total else 0.0)]
        steps += [(radius, (len(radii) - i) / total) for i, radius in enumerate(radii)]
        return [radius for radius, _ in steps], [share for _, share in steps]

    @property
    def most_false(self) -> int:
        """False certificates that the images may have together, but with probability `BETA`."""
        if not self.certificates:
            return 0
        if self.certain:
            return 0
        alpha = rational(self.certificates[0].alpha, "alpha")
        return most_false(self.images, alpha, BETA)

    @property
    def key_level(self) -> str:
        """Where keys come from, as the certificates claim; "mixed" where they differ."""
        levels = {c.key_level for c in self.certificates}
        return levels.pop() if len(levels) == 1 else "mixed"

    @property
    def statements(self) -> tuple[str, ...]:
        """What holds of all images together, and what it is worth, in sentences."""
        if not self.certificates:
            return ()
        missing = self.images - len(self.certificates)
        counted = f"{len(self.certificates)} of {self.images} planned images were attempted"
        attempted = f"{counted}{'; the others count as not certified' if missing else ''}."
        if self.certain:
            return (
                attempted,
                f"Certain: votes of {self.certificates[0].noise} were counted, alpha is 0 and "
                "nothing is left to chance.",
            )
        return (
            attempted,
            f"Error probability {self.certificates[0].alpha} an image: with probability "
            f"{float(1 - BETA):g} at most {self.most_false} of the {self.images} are false, so "
            f"that many may be taken off each count.",
            f"Keys are {self.key_level}"
            + (": claimed, until an auditor has nonce and plan hash." if self._claimed else "."),
            *((ON_TRUST,) if self.certificates[0].kernels == CALLABLE else ()),
        )

    @property
    def _claimed(self) -> bool:
        return self.key_level == WITNESSED

    def to_json(self, radii: Sequence[Exact] | None = None) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "images": len(self.certificates),
            "planned": self.images,
            "key": self.key_level,
            "abstained": self.abstained,
            "samples": self.samples,
            "radius_unit": self.unit,
            self.name.replace(" ", "_"): {
                f"{float(share.radius):g}": share.value for share in self.shares(radii)
            },
            "joint": {
                "beta": text(BETA),
                "most_false": self.most_false,
                "shares": {
                    f"{float(s.radius):g}": max(s.certified - self.most_false, 0) / max(s.images, 1)
                    for s in self.shares(radii)
                },
            },
        }

    def text(self, radii: Sequence[Exact] | None = None) -> str:
        """Return a small table for people."""
        images = len(self.certificates)
        lines = [
            f"{images} images, {self.abstained} abstained, "
            f"{self.samples / max(images, 1):.0f} samples each on average"
        ]
        if images and self.certificates[0].unit:
            lines.append(f"one LSB: {printable(self.certificates[0].unit)}")
        if images:
            scale = "on [0, 1]" if self.has_unit_scale else ""
            lines.append(f"{'radius (' + self.unit + ')':>16}  {scale:>9}  {self.name} (95 %)")
        for share in self.shares(radii):
            radius = float(share.radius)
            scaled = self.certificates and self.has_unit_scale
            unit = f"{radius / self.certificates[0].span:9.4f}" if scaled else " " * 9
            low, high = share.interval
            lines.append(f"{radius:16g}  {unit}  {share.value:6.1%}  ({low:.1%} to {high:.1%})")
        lines += self.statements
        return "\n".join(lines)
