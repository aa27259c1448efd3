"""How far an attack may move an input."""

import math
from dataclasses import dataclass

LINF = "linf"
L2 = "l2"
NORMS = (LINF, L2)


@dataclass(frozen=True)
class Budget:
    """The ball ``||x_adv - x|| <= epsilon`` around a clean input.

    Attributes:
        epsilon: radius in steps of the input grid (LSB); 8 for the 8/255 of papers.
        norm: ``"linf"`` or ``"l2"``.

    Raises:
        ValueError: an unknown norm, or a radius under 1 LSB: no other integer input lies in it.
    """

    epsilon: float
    norm: str = LINF

    def __post_init__(self) -> None:
        """Refuse what holds no adversarial input."""
        if self.norm not in NORMS:
            raise ValueError(f"norm is one of {', '.join(NORMS)}. Received: {self.norm!r}")
        if not (math.isfinite(self.epsilon) and self.epsilon >= 1):
            raise ValueError(
                f"epsilon is in steps of the input grid (LSB) and at least 1: a smaller ball holds "
                f"no integer input but the clean one. Received: epsilon={self.epsilon}. "
                f"For a budget of e on the [0, 1] scale give 255 * e."
            )

    def __str__(self) -> str:
        name = "L-inf" if self.norm == LINF else "L2"
        return f"{name} {self.epsilon:g} LSB"
