"""Where inputs live: a shape and the integers that each number may be."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError

#: Grid integers (tensor value minus zero point), int16 of any shape.
Picture: TypeAlias = NDArray[np.int16]
Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Domain:
    """All inputs of a network, in grid integers.

    Attributes:
        shape: of one input, without the batch.
        low: least grid integer; 0 for pixels.
        high: greatest; 255 for pixels.
    """

    shape: tuple[int, ...]
    low: int
    high: int

    @property
    def levels(self) -> int:
        """How many integers one number may be."""
        return self.high - self.low + 1

    @property
    def size(self) -> int:
        """Numbers in one input."""
        return prod(self.shape)

    def picture(self, x: NDArray[Any], *, where: str = "the input") -> Picture:
        """Return ``x`` as int16; `CertifyError` where it is no input of this domain."""
        x = np.asarray(x)
        if x.shape != self.shape or x.dtype.kind not in "iu":
            raise CertifyError(
                f"{where} must be integers of shape {self.shape}, received {x.dtype} {x.shape}"
            )
        if x.size and (x.min() < self.low or x.max() > self.high):
            raise CertifyError(
                f"{where} holds {x.min()} to {x.max()}, off the grid [{self.low}, {self.high}]"
            )
        return x.astype(np.int16)
