"""How far an attack may move an input."""

import math
from dataclasses import dataclass

LINF = "linf"
L2 = "l2"
NORMS = (LINF, L2)
#: Threat models of few changes: steps in all, pixels, and the side of a square of pixels.
L1 = "l1"
L0 = "l0"
PATCH = "patch"
SPARSE = (L1, L0, PATCH)
#: What is measured in pixels, not in steps of the grid.
IN_PIXELS = (L0, PATCH)
_WORDS = {LINF: "L-inf {} LSB", L2: "L2 {} LSB", L1: "L1 {} LSB", L0: "L0 {} pixels"}
_WORDS[PATCH] = "a patch of {0} x {0} pixels"


@dataclass(frozen=True)
class Budget:
    """The ball ``||x_adv - x|| <= epsilon`` around a clean input.

    Attributes:
        epsilon: radius in steps of the input grid (LSB), 8 for the 8/255 of papers; pixels of
            L0; the side of a patch in pixels.
        norm: ``"linf"``, ``"l2"``, ``"l1"``, ``"l0"`` or ``"patch"``.

    Raises:
        ValueError: an unknown norm, or a radius under 1: no other integer input lies in it; of
            few changes one that is no whole number.
    """

    epsilon: float
    norm: str = LINF

    def __post_init__(self) -> None:
        """Refuse what holds no adversarial input."""
        if self.norm not in (*NORMS, *SPARSE):
            known = ", ".join((*NORMS, *SPARSE))
            raise ValueError(f"norm is one of {known}. Received: {self.norm!r}")
        if self.norm in SPARSE and not (self.epsilon >= 1 and float(self.epsilon).is_integer()):
            unit = "pixels" if self.norm in IN_PIXELS else "LSB"
            raise ValueError(
                f"{self.norm} takes a whole number of {unit}, at least 1. Received: "
                f"epsilon={self.epsilon}"
            )
        if not (math.isfinite(self.epsilon) and self.epsilon >= 1):
            raise ValueError(
                f"epsilon is in steps of the input grid (LSB) and at least 1: a smaller ball holds "
                f"no integer input but the clean one. Received: epsilon={self.epsilon}. "
                f"For a budget of e on the [0, 1] scale give 255 * e."
            )

    def __str__(self) -> str:
        return _WORDS[self.norm].format(f"{self.epsilon:g}")
