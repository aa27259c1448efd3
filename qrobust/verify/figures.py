"""What a journal of proofs says in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qrobust.verify.outcome import PROVEN, REFUTED
from qrobust.verify.proof_line import ProofLine


@dataclass(frozen=True)
class Figures:
    """Counts over images.

    Attributes:
        images: in all.
        clean: whose own label is right; None where true classes are unknown.
        certain: right and proven; without true classes, proven.
        proven: label proven, right or wrong.
        refuted: by a counterexample.
        unknown: neither.
        inferences: runs of the file.
        seconds: time.
    """

    images: int
    clean: int | None
    certain: int
    proven: int
    refuted: int
    unknown: int
    inferences: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        return {**vars(self), "seconds": round(self.seconds, 3)}

    def text(self) -> str:
        """Return them in words."""
        share = f"{self.certain} of {self.images} ({self.certain / max(self.images, 1):.1%})"
        clean = "" if self.clean is None else f"clean {self.clean / max(self.images, 1):.1%}, "
        return (
            f"{clean}certain {share}; {self.proven} proven, {self.refuted} refuted, "
            f"{self.unknown} unknown; {self.inferences} inferences"
        )


def figures(lines: Sequence[ProofLine]) -> Figures:
    """Count a journal's lines by outcome; whether they are also correct where labels are known."""
    known = all(line.y is not None for line in lines)
    statuses = [line.outcome.status for line in lines]
    proven, refuted = statuses.count(PROVEN), statuses.count(REFUTED)
    certain = sum(line.outcome.status == PROVEN and line.is_correct is not False for line in lines)
    return Figures(
        images=len(lines),
        clean=sum(line.is_correct is True for line in lines) if known else None,
        certain=certain,
        proven=proven,
        refuted=refuted,
        unknown=len(lines) - proven - refuted,
        inferences=sum(line.outcome.inferences for line in lines),
        seconds=sum(line.seconds for line in lines),
    )
