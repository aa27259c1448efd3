"""L0 certificates by randomized ablation: keep a few random pixels, blank out all others.

``g(x) = argmax_c P(f(x on T, null elsewhere) = c)`` with ``T`` a uniform set of ``keep`` of the
``pixels``. Changing ``rho`` pixels matters only where ``T`` meets them, so no class's probability
moves by more than ``delta(rho) = 1 - C(pixels - rho, keep) / C(pixels, keep)``. Integer masks are
all it needs; the network must have been trained on such inputs.

A mask takes one 64-bit word per pixel, ``window = 4 * ceil(pixels / 4)`` words a sample, from the
same streams as :mod:`qrobust.certify.streams`: sample ``i`` starts at word ``i * window``. The
``keep`` pixels with the smallest words are kept; of equal words, the first pixels.

References:
    Levine and Feizi, Robustness Certificates for Sparse Adversarial Attacks by Randomized
    Ablation, AAAI 2020: theorem 1.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, prod

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.binomial import PROBABILITY_BITS
from qrobust.certify.bounds import ABSTAIN, RADIUS_BITS
from qrobust.certify.errors import CertifyError
from qrobust.certify.grid import InputGrid
from qrobust.certify.smoothing import Description
from qrobust.certify.streams import WORDS_PER_BLOCK, Words

ABLATION = "ablation"
L0 = "l0"

_ONE = 1 << PROBABILITY_BITS


@dataclass(frozen=True)
class AblationSmoothing:
    """Keeps ``keep`` random pixels of an input and sets all others to ``null``.

    Attributes:
        grid: of the input tensor.
        shape: of one input. The last of three axes holds channels, which share their pixel's fate;
            with fewer axes every number is a pixel.
        keep: pixels kept.
        null: grid integer that stands for a removed pixel, in every channel.
    """

    grid: InputGrid
    shape: tuple[int, ...]
    keep: int
    null: int

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= self.pixels:
            raise CertifyError(f"keep must lie in [1, {self.pixels} pixels], received {self.keep}")
        if not self.grid.low <= self.null <= self.grid.high:
            raise CertifyError(
                f"null must lie on the input grid [{self.grid.low}, {self.grid.high}], "
                f"received {self.null}"
            )

    @property
    def channels(self) -> int:
        """Numbers per pixel."""
        return self.shape[-1] if len(self.shape) >= 3 else 1

    @property
    def pixels(self) -> int:
        """Pixels of one input."""
        return prod(self.shape) // self.channels

    @property
    def norm(self) -> str:
        """Radii count changed pixels."""
        return L0

    @property
    def variation(self) -> Fraction:
        """Chance that two of a sample's words are equal: only then is the set not uniform."""
        return Fraction(self.pixels * (self.pixels - 1), 1 << 65)

    @property
    def description(self) -> Description:
        """How many pixels are kept, and what replaces the others."""
        return {"noise": ABLATION, "sigma": None, "keep": self.keep, "null": self.null}

    def sampler(self, seed: int) -> AblationSampler:
        """Return a sampler for one thread."""
        return AblationSampler(self, seed=seed)

    @cached_property
    def margins(self) -> tuple[int, ...]:
        """Entry ``rho``: ``floor(2**49 * delta(rho))``, up to the last below ``2**48``.

        ``lower - upper`` in units of ``2**-48`` must exceed it: twice ``delta``, since one class
        may lose what the other gains.
        """
        margins = []
        untouched = Fraction(1)
        for rho in range(self.pixels - self.keep + 1):
            margin = int((1 - untouched) * 2 * _ONE)
            if margin >= _ONE:
                break
            margins.append(margin)
            untouched *= Fraction(self.pixels - rho - self.keep, self.pixels - rho)
        return tuple(margins)

    def radius_q16(self, lower: int, upper: int) -> int:
        """Most changed pixels that leave ``lower`` ahead of ``upper``, in units of ``2**-16``."""
        radius = bisect_left(self.margins, lower - upper) - 1
        return ABSTAIN if radius < 0 else radius << RADIUS_BITS

    def probability(self, radius: Fraction) -> int:
        """Probability ``1/2 + delta(radius)`` that a class must exceed, rounded up."""
        pixels = ceil(radius)
        if pixels >= len(self.margins):
            raise CertifyError(
                f"{pixels} pixels can never be certified when {self.keep} of {self.pixels} are "
                f"kept; the most is {len(self.margins) - 1}"
            )
        return _ONE // 2 + self.margins[pixels] // 2 + 1


class AblationSampler:
    """Draws masks and applies them; one per thread."""

    def __init__(self, smoothing: AblationSmoothing, *, seed: int) -> None:
        self._smoothing = smoothing
        self._words = Words(seed)
        self._null = np.int16(smoothing.null + smoothing.grid.zero_point)

    def masks(self, image: int, purpose: int, start: int, count: int) -> NDArray[np.bool_]:
        """Return which pixels samples ``start`` to ``start + count - 1`` keep.

        Returns:
            bool[count, pixels], ``keep`` of them true in every row.
        """
        pixels, keep = self._smoothing.pixels, self._smoothing.keep
        blocks = -(-pixels // WORDS_PER_BLOCK)
        raw = self._words.take(image, purpose, start * blocks, count * blocks * WORDS_PER_BLOCK)
        words = raw.reshape(count, blocks * WORDS_PER_BLOCK)[:, :pixels]
        largest = np.partition(words, keep - 1, axis=1)[:, keep - 1 : keep]
        masks: NDArray[np.bool_] = words <= largest
        for row in np.flatnonzero(np.count_nonzero(masks, axis=1) > keep):
            masks[row] = False
            masks[row, np.argsort(words[row], kind="stable")[:keep]] = True
        return masks

    def fill(
        self,
        tensor: NDArray[np.int16],
        out: NDArray[np.int8] | NDArray[np.uint8],
        *,
        image: int,
        purpose: int,
        start: int,
    ) -> None:
        """Write consecutive ablated copies of ``tensor`` into the rows of ``out``."""
        masks = self.masks(image, purpose, start, len(out))
        kept = np.repeat(masks, self._smoothing.channels, axis=1)
        np.copyto(out, np.where(kept, tensor, self._null), casting="unsafe")  # all on the grid
