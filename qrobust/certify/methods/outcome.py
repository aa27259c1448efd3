"""What methods draw and what they find out.

Every method uses a pilot stream to choose the class and a separate stream of fresh samples for
the bound: reusing the pilot's samples would make every guarantee here void.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.arithmetic.streams import Purpose

CERTIFIED = "certified"
ABSTAINED = "abstained"
GAVE_UP = "gave_up"
UNDECIDED = "undecided"


class Draws(Protocol):
    """Randomness of one image."""

    def votes(self, purpose: Purpose, start: int, count: int) -> NDArray[np.int64]:
        """Return the votes of samples ``start`` to ``start + count - 1`` of a stream.

        Where time is up, of the first of them only; then no more will come. Only methods that hold
        at every moment (`UNIFORM`) are given such draws.
        """

    def word(self) -> int:
        """Return the 64-bit word that a randomized bound uses."""


@dataclass(frozen=True)
class Outcome:
    """What a method found out.

    Attributes:
        candidate: class that the pilot chose.
        radius_q16: certified radius in units of ``2**-16``, or `ABSTAIN`.
        votes: int64[classes] of the fresh samples.
        pilot: int64[classes], votes of the samples that chose it; None where none did.
        seen: views run, where votes are counted.
        decision: `CERTIFIED`, `ABSTAINED`, `GAVE_UP` or `UNDECIDED`.
    """

    candidate: int
    radius_q16: int
    votes: NDArray[np.int64]
    pilot: NDArray[np.int64] | None
    decision: str
    seen: int | None = None

    @property
    def drawn(self) -> int:
        """Fresh samples drawn, or views run; some of those may have abstained."""
        return int(self.votes.sum()) if self.seen is None else self.seen


class Method(Protocol):
    """A bound with its stopping rule."""

    def run(self, draws: Draws) -> Outcome:
        """Certify one image."""


def bounded(
    candidate: int, radius: int, votes: NDArray[np.int64], pilot: NDArray[np.int64]
) -> Outcome:
    """Return the outcome of a bound: certified, unless its radius is `ABSTAIN`."""
    decision = ABSTAINED if radius == ABSTAIN else CERTIFIED
    return Outcome(candidate, radius, votes, pilot, decision)
