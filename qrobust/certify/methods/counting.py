"""Run every view and count: a certificate that cannot fail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qrobust.certify.arithmetic.radius import ABSTAIN, RADIUS_BITS
from qrobust.certify.arithmetic.streams import Purpose
from qrobust.certify.methods.outcome import ABSTAINED, CERTIFIED, GAVE_UP, Draws, Outcome
from qrobust.certify.smoothings.counting import Counting
from qrobust.certify.smoothings.splits import Votes, margin, winner

#: Views between two looks at the votes, where a wanted radius may end the run early.
_STEP = 64


@dataclass(frozen=True)
class CountViews:
    """Counts the votes of all views, or of as many as a wanted radius takes.

    Views that were not run count for the runner-up, so stopping early claims nothing that running
    on could take back.

    Attributes:
        smoothing: the views.
        radius: wanted, in LSB (L1) or pixels (patch); None for the largest.

    Raises:
        CertifyError: a patch that does not fit the picture.
    """

    smoothing: Counting
    radius: int | None = None

    def __post_init__(self) -> None:
        if self.radius is not None:
            self.smoothing.touched(self.radius)  # refuses patches that do not fit

    def run(self, draws: Draws) -> Outcome:
        """Certify one image."""
        views = self.smoothing.views
        step = views if self.radius is None else _STEP
        votes, seen = np.zeros(0, np.int64), 0
        while seen < views:
            count = min(step, views - seen)
            more = draws.votes(Purpose.BOUND, seen, count)
            votes, seen = (more if not seen else votes + more), seen + count
            unseen = views - seen
            if self.radius is None:
                continue
            needed = 2 * self.smoothing.touched(self.radius)
            if margin(votes) - unseen >= needed:
                return self._outcome(votes, seen, self.radius)
            if margin(votes) + unseen < needed:  # whoever wins in the end
                return self._outcome(votes, seen, ABSTAIN, GAVE_UP)
        reached = self.smoothing.radius(margin(votes))
        if self.radius is not None and reached < self.radius:
            return self._outcome(votes, seen, ABSTAIN, GAVE_UP)
        return self._outcome(votes, seen, reached if self.radius is None else self.radius)

    def _outcome(
        self, votes: Votes, seen: int, radius: int, decision: str | None = None
    ) -> Outcome:
        found = decision or (ABSTAINED if radius == ABSTAIN else CERTIFIED)
        q16 = radius if radius == ABSTAIN else radius << RADIUS_BITS
        return Outcome(winner(votes), q16, votes, None, found, seen)
