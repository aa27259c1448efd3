"""Regions around an input: boxes, L-inf balls with masks, changed pixels, families."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain, Picture


@dataclass(frozen=True, eq=False)
class Box:
    """All integer inputs between two corners, both included.

    Attributes:
        low: int16[*shape], grid integers.
        high: likewise, nowhere below ``low``.
    """

    low: Picture
    high: Picture

    def __post_init__(self) -> None:
        if self.low.shape != self.high.shape or (self.low > self.high).any():
            raise CertifyError("a box needs two corners of one shape, low <= high everywhere")

    @property
    def text(self) -> str:
        """In words."""
        return "box"

    def box(self, x: Picture, domain: Domain) -> Box:
        """Return itself; `CertifyError` where it leaves the grid or does not hold ``x``."""
        domain.picture(self.low, where="the box")
        domain.picture(self.high, where="the box")
        if (x < self.low).any() or (x > self.high).any():
            raise CertifyError("the input lies outside its box")
        return self

    def holds(self, picture: Picture) -> bool:
        """Whether a picture lies in the box."""
        return bool((picture >= self.low).all() and (picture <= self.high).all())

    @property
    def volume(self) -> int:
        """Integer inputs in the box."""
        widths = (self.high.astype(int) - self.low + 1).ravel().tolist()
        volume = 1
        for width in widths:
            volume *= width
        return volume


@dataclass(frozen=True, eq=False)
class LinfBall:
    """``|x' - x| <= radius`` everywhere, on the grid.

    Attributes:
        radius: whole LSB, at least 0.
        mask: bool[*shape] or whatever broadcasts to it; only where True may an input change.
    """

    radius: int
    mask: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        _check_whole(self.radius, "a radius")
        if self.radius < 0:
            raise CertifyError(f"a radius is at least 0, received {self.radius}")

    @property
    def text(self) -> str:
        """In words."""
        return f"linf:{self.radius}" + ("" if self.mask is None else ":masked")

    def box(self, x: Picture, domain: Domain) -> Box:
        """Return the ball around ``x`` as a box."""
        # Beyond the grid's width a radius says nothing more; as int64 it would say less.
        reach: Any = min(self.radius, domain.levels)
        if self.mask is not None:
            try:
                reach = np.where(np.broadcast_to(self.mask, domain.shape), reach, 0)
            except ValueError:
                raise CertifyError(
                    f"the mask has shape {self.mask.shape}, the inputs {domain.shape}"
                ) from None
        wide = x.astype(np.int64)
        low = np.maximum(wide - reach, domain.low).astype(np.int16)
        high = np.minimum(wide + reach, domain.high).astype(np.int16)
        return Box(low, high)


@dataclass(frozen=True)
class FamilyOf:
    """The members of a family.

    Attributes:
        text: as `qrobust.verify.families.make_family` reads it.
    """

    text: str

    def box(self, x: Picture, domain: Domain) -> Box:
        """Refuse: a family is no box."""
        raise CertifyError(f"{self.text!r} is a family: enumeration proves it, bounds do not")


@dataclass(frozen=True)
class PixelChanges:
    """Every change of at most ``count`` pixels, with any content.

    Attributes:
        count: k, at least 1.
    """

    count: int

    def __post_init__(self) -> None:
        _check_whole(self.count, "a number of pixels")
        if self.count < 1:
            raise CertifyError(f"l0 takes 1 pixel or more, received {self.count}")

    @property
    def text(self) -> str:
        """In words."""
        return f"l0:{self.count}"

    def box(self, x: Picture, domain: Domain) -> Box:
        """Refuse: changes of pixels are many boxes."""
        raise CertifyError(f"{self.text!r} is no single box: the method for it is subsets")


@dataclass(frozen=True)
class EachItsBox:
    """A box of its own for every image; a file has them, see `qrobust.verify.corners`.

    Attributes:
        text: ``"box:corners"`` or ``"box:reach"``.
    """

    text: str

    def box(self, x: Picture, domain: Domain) -> Box:
        """Refuse: the corners are missing."""
        raise CertifyError(f"{self.text} needs the file that its boxes came from")


def _check_whole(value: Any, what: str) -> None:
    """Raise `CertifyError` unless a value is a whole number; NaN passes every comparison."""
    try:
        index(value)
    except TypeError:
        raise CertifyError(f"{what} is a whole number, received {value!r}") from None


#: What `verify` takes.
Region: TypeAlias = Box | LinfBall | PixelChanges | FamilyOf | EachItsBox


def make_region(text: str, mask: NDArray[np.bool_] | None = None) -> Region:
    """Return the region that a text names: ``linf:8``, ``l0:1``, or a family: ``light:32``.

    Args:
        text: as headers of journals hold it.
        mask: where an L-inf ball may change the input; everywhere by default.

    Raises:
        CertifyError: a radius that is no whole number, or a mask for a family.
    """
    name, _, value = text.partition(":")
    if name == "box" and mask is None:
        return EachItsBox(text)
    if name in ("linf", "l0"):
        value = value.removesuffix(":masked")
        if not value.isdecimal():
            unit = "LSB" if name == "linf" else "pixels"
            raise CertifyError(f"{name} takes a whole number of {unit}, received {value!r}")
        if name == "linf":
            return LinfBall(int(value), mask)
    if mask is not None:
        raise CertifyError(f"a mask goes with linf, not with {text!r}")
    return PixelChanges(int(value)) if name == "l0" else FamilyOf(text)
