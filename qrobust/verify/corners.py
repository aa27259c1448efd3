"""Boxes that a file gives: corners for every image, or a reach for every number."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.array_files import read_npy
from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.regions import Box, EachItsBox

#: What regions of journals are called.
CORNERS, REACH = "box:corners", "box:reach"


@dataclass(frozen=True, eq=False)
class Corners:
    """A box for every image of some data.

    Attributes:
        kind: `CORNERS` or `REACH`.
        low: int64[images, *shape], grid integers; of a reach, how far down each number may move:
            int64[*shape], or one for every image.
        high: likewise, the upper corner; how far up.
    """

    kind: str
    low: Integers
    high: Integers

    @property
    def region(self) -> EachItsBox:
        """What the proofs are about, as journals say it."""
        return EachItsBox(self.kind)

    @cached_property
    def sha256(self) -> str:
        """Digest of both arrays, shapes included."""
        text = f"{self.kind}{self.low.shape}{self.high.shape}".encode()
        parts = (text, self.low.astype("<i8").tobytes(), self.high.astype("<i8").tobytes())
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def check(self, images: int, domain: Domain) -> None:
        """Raise `CertifyError` unless there is a box for each of so many images of a domain."""
        allowed = [(images, *domain.shape)]
        if self.kind == REACH:
            allowed.append(domain.shape)
        for name, array in (("lower", self.low), ("upper", self.high)):
            if array.shape not in allowed:
                raise CertifyError(
                    f"the {name} side of the boxes has shape {array.shape}, the data ask for "
                    f"{' or '.join(map(str, allowed))}"
                )

    def of(self, index: int, x: Picture, domain: Domain) -> Box:
        """Return the box of one image.

        Args:
            index: of the image.
            x: its grid integers.
            domain: all inputs.

        Raises:
            CertifyError: a box off the grid, upside down, or without the image in it.
        """
        low, high = self.low, self.high
        if self.kind == CORNERS or low.ndim > len(domain.shape):
            low, high = low[index], high[index]
        if self.kind == REACH:
            wide = x.astype(np.int64)
            low, high = np.maximum(wide - low, domain.low), np.minimum(wide + high, domain.high)
        where = f"the box of image {index}"
        if (low > high).any():
            raise CertifyError(f"{where} has a lower corner above its upper one")
        box = Box(domain.picture(low, where=where), domain.picture(high, where=where))
        if (x < box.low).any() or (x > box.high).any():
            raise CertifyError(f"{where} does not hold the image")
        return box


def load_corners(low: str | Path, high: str | Path) -> Corners:
    """Read two ``.npy`` files of whole numbers, grid integers of shape (images, *shape).

    Raises:
        CertifyError: unreadable files, or numbers that are not whole.
    """
    return Corners(CORNERS, _whole(low), _whole(high))


def load_reach(path: str | Path) -> Corners:
    """Read a ``.npy`` of how far each number may move, for all images or for each, in LSB.

    Raises:
        CertifyError: an unreadable file, numbers that are not whole, or negative ones.
    """
    reach = _whole(path)
    if (reach < 0).any():
        raise CertifyError(f"a reach is 0 or more; {path} holds {reach.min()}")
    return Corners(REACH, reach, reach)


def _whole(path: str | Path) -> Integers:
    array = read_npy(path, what="box")
    if array.dtype.kind not in "iu" or array.ndim == 0:
        raise CertifyError(
            f"the box {path} must be an array of whole numbers on the input grid (np.save), not "
            f"{array.dtype}: real corners lie off the grid"
        )
    if array.size == 0 or array.min() < -(1 << 31) or array.max() >= 1 << 31:
        raise CertifyError(f"the box {path} is empty, or holds numbers off every grid")
    return np.asarray(array, np.int64)
