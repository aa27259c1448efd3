"""What a set of certificates says: certified accuracy at radii, abstentions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qrobust.certify.certificate import Certificate

#: Radii in multiples of sigma at which a summary gives the certified share.
_MULTIPLES = (0, 0.5, 1, 1.5, 2, 3)


class Summary:
    """Counts over certificates of one journal.

    Args:
        certificates: at least those of interest, in any order.
    """

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        self.certificates = list(certificates)

    @property
    def labelled(self) -> bool:
        """Whether the true class of every image is known."""
        return all(c.y is not None for c in self.certificates)

    def share(self, radius_lsb: float) -> float:
        """Share of images certified (and, where labelled, correct) at an L2 radius in LSB."""
        good = [
            c
            for c in self.certificates
            if not c.abstained and c.correct is not False and c.radius >= radius_lsb
        ]
        return len(good) / max(len(self.certificates), 1)

    @property
    def radii(self) -> list[float]:
        """Radii in LSB at which the summary gives the share."""
        if not self.certificates:
            return []
        return [round(m * float(self.certificates[0].sigma), 3) for m in _MULTIPLES]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        name = "certified_accuracy" if self.labelled else "certified_share"
        return {
            "images": len(self.certificates),
            "abstained": sum(c.abstained for c in self.certificates),
            "samples": sum(c.samples for c in self.certificates),
            name: {f"{radius:g}": self.share(radius) for radius in self.radii},
        }

    def text(self) -> str:
        """Return a small table for people."""
        name = "certified accuracy" if self.labelled else "certified share"
        lines = [
            f"{len(self.certificates)} images, "
            f"{sum(c.abstained for c in self.certificates)} abstained",
            f"{'L2 radius (LSB)':>16}  {'on [0, 1]':>9}  {name}",
        ]
        for radius in self.radii:
            unit = radius / self.certificates[0].span
            lines.append(f"{radius:16g}  {unit:9.4f}  {100 * self.share(radius):6.1f} %")
        return "\n".join(lines)
