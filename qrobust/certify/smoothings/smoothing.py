"""What a smoothed classifier is: how inputs are randomized, and what a probability then proves."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NotRequired, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.binomial import PROBABILITY_BITS
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import text
from qrobust.certify.arithmetic.gaussian import cdf_floor
from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.noise_table import NoiseTable
from qrobust.certify.arithmetic.radius import ABSTAIN, quantile_q16
from qrobust.certify.arithmetic.streams import Key
from qrobust.certify.smoothings.input_grid import InputGrid

L2 = "l2"

#: In sigmas; beyond, Phi in 48 bits is too close to 1 to test against.
_FARTHEST = 6


class Description(TypedDict):
    """How inputs are randomized, as certificates and journal headers say it.

    Attributes:
        noise: kind.
        sigma: scale in LSB, exact decimal text; None where views are counted.
        counting: of views: their size, the shifts' key, the threshold of a vote and the picture's
            sides; left out where noise is drawn.
    """

    noise: str
    sigma: str | None
    counting: NotRequired[dict[str, int | None]]


class Sampler(Protocol):
    """Makes the randomized copies of one input; one per thread."""

    def fill(
        self,
        tensor: NDArray[np.int16],
        out: NDArray[np.int8] | NDArray[np.uint8],
        *,
        key: Key,
        purpose: int,
        start: int,
    ) -> None:
        """Write samples ``start``, ``start + 1``, ... into the rows of ``out``.

        Args:
            tensor: int16[coordinates], the clean input in tensor values.
            out: int8 or uint8[count, coordinates].
            key: of the image's random streams.
            purpose: which stream.
            start: index of the first sample.
        """


class Smoothing(Protocol):
    """A way to randomize inputs together with its certificate; hashable."""

    def __hash__(self) -> int: ...

    @property
    def norm(self) -> str:
        """``"l2"`` or ``"l1"`` (radius in LSB), or ``"patch"`` (in pixels)."""

    @property
    def threshold(self) -> int:
        """Least margin of a vote, in steps of the output; a smaller one counts for nobody."""

    @property
    def variation(self) -> Fraction:
        """Bound on the total variation of one drawn sample from the distribution it stands for."""

    @property
    def description(self) -> Description:
        """What goes into certificates and journal headers."""

    def sampler(self) -> Sampler:
        """Return a sampler for one thread."""

    def radius_q16(self, lower: int, upper: int) -> int:
        """Return the certified radius in units of ``2**-16``, rounded down, or `ABSTAIN`.

        Args:
            lower: lower bound of the class's probability, in units of ``2**-48``.
            upper: upper bound of every other class's, likewise.
        """

    def probability(self, radius: Fraction) -> int:
        """Return the probability that a class must exceed to hold within ``radius``.

        In units of ``2**-48``, rounded up; `CertifyError` where none is high enough.
        """


@dataclass(frozen=True)
class GaussianSmoothing:
    """Integer noise added to every coordinate, then saturation on the input grid.

    Attributes:
        noise: kind and scale.
        grid: of the input tensor.
        coordinates: numbers in one input.
    """

    noise: NoiseTable
    grid: InputGrid
    coordinates: int

    @property
    def norm(self) -> str:
        """Radii are L2, in input LSB."""
        return L2

    @property
    def threshold(self) -> int:
        """Every copy votes."""
        return 0

    @property
    def variation(self) -> Fraction:
        """Total variation of one sample: that of a coordinate, times the coordinates."""
        return self.coordinates * self.noise.variation

    @property
    def description(self) -> Description:
        """Kind of noise and its scale in LSB."""
        sigma = text(self.noise.sigma)
        return {"noise": self.noise.kind, "sigma": sigma}

    def sampler(self) -> NoiseSampler:
        """Return a sampler for one thread."""
        low, high = self.grid.tensor_low, self.grid.tensor_high
        return NoiseSampler(self.noise, self.coordinates, low=low, high=high)

    def radius_q16(self, lower: int, upper: int) -> int:
        r"""Cohen's theorem 1, every rounding down.

        .. math:: R = \frac{\sigma}{2} \left(\Phi^{-1}(p_A) - \Phi^{-1}(p_B)\right)
        """
        sigma = self.noise.radius_sigma
        first, second = (
            quantile_q16(lower, sigma),
            quantile_q16((1 << PROBABILITY_BITS) - upper, sigma),
        )
        if first is None or second is None:
            return ABSTAIN
        return max((first + second) // 2, ABSTAIN)

    def probability(self, radius: Fraction) -> int:
        """Return ``Phi(radius / sigma)``, rounded up."""
        x = radius / self.noise.radius_sigma
        if x > _FARTHEST:
            raise CertifyError(
                f"a radius of {text(radius)} LSB is more than {_FARTHEST} sigma: no number of "
                "samples certifies it; give a smaller radius or more noise"
            )
        return cdf_floor(x, PROBABILITY_BITS) + (x > 0)
