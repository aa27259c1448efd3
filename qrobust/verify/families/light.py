"""Brightness: the same integer added to every number, then saturation."""

from __future__ import annotations

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.families.family import Family


class Light(Family):
    r"""``sat(x + k)`` for every integer k with ``|k| <= bound``: ``2 bound + 1`` members.

    Args:
        domain: the inputs.
        bound: in LSB, from 1 to the width of the grid.

    Raises:
        CertifyError: a bound outside that range.
    """

    def __init__(self, domain: Domain, bound: int) -> None:
        super().__init__(domain)
        self._steps = outward(bound, domain.high - domain.low, "light")
        self.text = f"light:{bound}"
        self.claim = (
            f"sat(x + k) for every integer k from -{bound} to {bound}, the same k for every "
            f"number, saturating at {domain.low} and {domain.high}"
        )

    @property
    def size(self) -> int:
        """Two for every step, and the input itself."""
        return len(self._steps)

    def apply(self, x: Picture, members: Integers) -> Picture:
        """Add and saturate."""
        steps = self._steps[members].reshape(-1, *(1 for _ in self.domain.shape))
        return np.asarray(np.clip(x[None] + steps, self.domain.low, self.domain.high), np.int16)

    def name(self, member: int) -> str:
        """Return the step."""
        return f"light {self._steps[member]:+d}"


class Gain(Light):
    """Loudness of sound whose features are cepstral: coefficient 0 of every frame moves by k.

    A factor g on the sound adds log(g) to every log-mel bin, and the cosine transform puts a
    constant into coefficient 0 alone. Of features that are log-mel bins, use `Light`. The claim
    is about the features: a front end that normalizes loudness, or adds a floor under the
    logarithm, changes them otherwise.

    Args:
        domain: features of shape (frames, coefficients, 1).
        bound: in LSB of the feature grid.

    Raises:
        CertifyError: inputs of another shape, or a bound outside the grid.
    """

    def __init__(self, domain: Domain, bound: int) -> None:
        if len(domain.shape) < 2:
            raise CertifyError(f"gain acts on (frames, coefficients, ...), not on {domain.shape}")
        super().__init__(domain, bound)
        self.text = f"gain:{bound}"
        self.claim = (
            f"sat(x + k) in coefficient 0 of every frame for every integer k from -{bound} to "
            f"{bound}, saturating at {domain.low} and {domain.high}; the claim is about features"
        )

    def apply(self, x: Picture, members: Integers) -> Picture:
        """Add to coefficient 0 and saturate."""
        changed = np.repeat(x[None], len(members), axis=0)
        changed[:, :, 0] = super().apply(x, members)[:, :, 0]
        return changed

    def name(self, member: int) -> str:
        """Return the step."""
        return f"gain {self._steps[member]:+d}"


def outward(bound: int, most: int, name: str) -> Picture:
    """Return ``0, 1, -1, 2, -2, ... -bound`` as int16; `CertifyError` outside ``[1, most]``."""
    if not 1 <= bound <= most:
        raise CertifyError(f"{name} takes a whole number from 1 to {most}, received {bound}")
    steps = np.zeros(2 * bound + 1, np.int16)
    steps[1::2] = np.arange(1, bound + 1)
    steps[2::2] = -steps[1::2]
    return steps
