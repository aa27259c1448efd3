"""What came out of an attempt to prove that a label holds in a region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qrobust.verify.domain import Picture

PROVEN, REFUTED, UNKNOWN = "proven", "refuted", "unknown"


@dataclass(frozen=True, eq=False)
class Counterexample:
    """An input of the region that the file itself labels otherwise.

    Attributes:
        picture: int16[*shape], grid integers.
        label: that the file gives it.
        member: which member of a family it is, -1 where the region is none.
        name: of that member, in words.
    """

    picture: Picture
    label: int
    member: int = -1
    name: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Proven, refuted by a counterexample, or unknown; never anything in between.

    Attributes:
        status: `PROVEN`, `REFUTED` or `UNKNOWN`.
        predicted: label of the input itself.
        method: that decided.
        inferences: runs of the file.
        boxes: that were bounded.
        members: of the region, where it is finite.
        counterexample: where refuted.
        tree: how the region was cut, where branching proved it; see `qrobust.verify.tree`.
    """

    status: str
    predicted: int
    method: str
    inferences: int = 0
    boxes: int = 0
    members: int | None = None
    counterexample: Counterexample | None = None
    tree: list[Any] | None = field(default=None)

    @property
    def label(self) -> int:
        """The proven label, or -1."""
        return self.predicted if self.status == PROVEN else -1
