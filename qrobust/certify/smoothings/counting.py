"""Inputs shown to the network in parts, all of them, so that votes are counted and nothing fails.

The views of a kind are fixed by the file's spec: the same for every input, key and device.
:mod:`qrobust.certify.smoothings.splits` and :mod:`qrobust.certify.smoothings.bands` have the
mathematics.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.noise_table import NoiseTable
from qrobust.certify.arithmetic.radius import ABSTAIN
from qrobust.certify.arithmetic.streams import Key
from qrobust.certify.smoothings.bands import band_views, block_views, touched_bands, touched_blocks
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import Description
from qrobust.certify.smoothings.splits import SHIFT_KEY, Splits
from qrobust.certify.smoothings.subsets import SUBSET_KEY, pixel_subsets, subset_views

SPLITS, BANDS, BLOCKS, ABLATION = "splits", "bands", "blocks", "ablation"
KINDS = (SPLITS, BANDS, BLOCKS, ABLATION)
L1, PATCH, L0 = "l1", "patch", "l0"
#: The fixed words that views depend on, by kind.
SHIFT_KEYS = {SPLITS: SHIFT_KEY, ABLATION: SUBSET_KEY}
_VIEWS = {BANDS: band_views, BLOCKS: block_views, ABLATION: subset_views}


@dataclass(frozen=True)
class Counting:
    """One kind of views.

    Attributes:
        kind: one of `KINDS`.
        size: M of splits and of subsets of pixels; columns of a band, or side of a block.
        grid: of the input tensor.
        shape: of the file's input: of all but splits (h, w, 2 C).
        threshold: least margin of a vote, in steps of the output; a smaller one abstains.
    """

    kind: str
    size: int
    grid: InputGrid
    shape: tuple[int, ...]
    threshold: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise CertifyError(f"unknown views {self.kind!r}; known: {', '.join(KINDS)}")
        if not 0 <= self.threshold <= 255:
            raise CertifyError(f"a threshold lies in [0, 255], received {self.threshold}")
        if self.kind == SPLITS:
            Splits(self.size, prod(self.shape), self.grid.span)  # refuses a bad size
            return
        if len(self.shape) != 3 or self.shape[2] % 2:
            raise CertifyError(
                f"{self.kind} need a file that takes (height, width, 2 x channels), not "
                f"{self.shape}: x and {self.grid.span} - x, with 0 and 0 where nothing is seen"
            )
        if self.kind == ABLATION:
            pixel_subsets(self.shape[0] * self.shape[1], self.size)  # refuses a bad size
        elif not 1 <= self.size <= min(self.shape[:2]):
            raise CertifyError(
                f"{self.kind} of {self.size} pixels do not fit a picture of {self.shape[:2]}"
            )

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of what is certified: pictures of C channels for a file of 2 C."""
        if self.kind == SPLITS:
            return self.shape
        return (*self.shape[:2], self.shape[2] // 2)

    @property
    def views(self) -> int:
        """How many inferences there are."""
        height, width = self.sides
        return {BANDS: width, BLOCKS: height * width}.get(self.kind, self.size)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the picture; 0 and 0 for splits, which know none."""
        return (0, 0) if self.kind == SPLITS else (self.shape[0], self.shape[1])

    @property
    def norm(self) -> str:
        """``"l1"``, in LSB; ``"l0"``, pixels; or ``"patch"``, pixels of a square's side."""
        return {SPLITS: L1, ABLATION: L0}.get(self.kind, PATCH)

    @property
    def noise(self) -> NoiseTable:
        """There is none: `CertifyError`."""
        raise CertifyError(f"the file counts {self.kind}; it has no noise")

    @property
    def variation(self) -> Fraction:
        """Nothing is drawn, so nothing is off."""
        return Fraction(0)

    @property
    def description(self) -> Description:
        """What goes into certificates and plans."""
        shifts = SHIFT_KEYS.get(self.kind)
        height, width = self.sides
        return {
            "noise": self.kind,
            "sigma": None,
            "counting": {
                "size": self.size,
                "shift_key": shifts,
                "threshold": self.threshold,
                "height": height,
                "width": width,
            },
        }

    def sampler(self) -> Views:
        """Return what makes the views for one thread."""
        return Views(self)

    def touched(self, radius: int) -> int:
        """Return how many views a change of this size reaches at most.

        Raises:
            CertifyError: a patch that does not fit the picture.
        """
        if radius == 0 or self.kind in SHIFT_KEYS:
            return radius  # every step of L1, every pixel of L0, is in one view
        height, width = self.sides
        if not 0 < radius <= min(height, width):
            raise CertifyError(
                f"a patch of {radius} x {radius} does not fit a picture of {height} x {width}"
            )
        if self.kind == BANDS:
            return touched_bands(radius, self.size, width)
        return touched_blocks(radius, self.size, height, width)

    def radius(self, margin: int) -> int:
        """Return the largest radius whose views a margin of votes outweighs, or `ABSTAIN`.

        Args:
            margin: ``n_A - max(n_c + [c < A])``, less the views that were not run.
        """
        if margin < 0:
            return ABSTAIN
        if self.kind in SHIFT_KEYS:
            return margin // 2
        sizes = range(1, min(self.sides) + 1)
        return max((m for m in sizes if 2 * self.touched(m) <= margin), default=0)

    def radius_q16(self, lower: int, upper: int) -> int:
        """Counting knows no probabilities."""
        raise CertifyError(f"{self.kind} certify by counting; this method bounds probabilities")

    def probability(self, radius: Fraction) -> int:
        """Counting knows no probabilities."""
        raise CertifyError(f"{self.kind} certify by counting; this method bounds probabilities")


class Views:
    """Writes views of an input in the place of randomized copies.

    Args:
        counting: which views.
    """

    def __init__(self, counting: Counting) -> None:
        self.counting = counting

    @cached_property
    def _splits(self) -> Splits:
        counting = self.counting
        return Splits(counting.size, prod(counting.shape), counting.grid.span)

    def fill(
        self,
        tensor: NDArray[np.int16],
        out: NDArray[np.int8] | NDArray[np.uint8],
        *,
        key: Key,
        purpose: int,
        start: int,
    ) -> None:
        """Write views ``start``, ``start + 1``, ... into the rows of ``out``.

        Args:
            tensor: int16[numbers of an input], its tensor values.
            out: int8 or uint8[count, numbers of the file's input].
            key: not used: views are the same for every key.
            purpose: not used.
            start: first view.

        Raises:
            CertifyError: views that there are not.
        """
        del key, purpose
        if not 0 <= start <= start + len(out) <= self.counting.views:
            raise CertifyError(
                f"there are {self.counting.views} {self.counting.kind}, not number "
                f"{start + len(out) - 1}"
            )
        low = self.counting.grid.tensor_low
        x = tensor.astype(np.int64) - low
        if self.counting.kind == SPLITS:
            shown = self._splits.shown(x, start, start + len(out))
        else:
            shown = self._pictures(x, range(start, start + len(out)))
        np.copyto(out, shown + low, casting="unsafe")  # views keep to the grid

    def _pictures(self, x: NDArray[np.int64], places: range) -> NDArray[np.int64]:
        counting = self.counting
        made = _VIEWS[counting.kind](
            x.reshape(counting.inputs), counting.size, counting.grid.span, places
        )
        return made.reshape(len(places), -1)
