"""Families that move pixels: each member says where every pixel is read from."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.families.family import Family

#: Rows or columns of the source, one for every pixel; may lie outside the picture.
Places: TypeAlias = NDArray[np.int64]

EDGE, ZERO, WRAP = "edge", "zero", "wrap"
BORDERS = {
    EDGE: "the nearest pixel of the border is repeated",
    ZERO: "pixels from outside are 0",
    WRAP: "pixels that leave come in on the other side",
}
#: Indices that a family may keep, 4 bytes each.
_MOST = 1 << 27


class IndexMaps(Family):
    """``x'[i] = x[source[i]]`` for finitely many maps ``source``.

    Args:
        domain: inputs of at least two axes; the first two are rows and columns.
        border: one of `BORDERS`, for sources outside the picture.

    Raises:
        CertifyError: inputs without rows and columns, or an unknown border.
    """

    def __init__(self, domain: Domain, border: str, name: str) -> None:
        super().__init__(domain)
        if len(domain.shape) < 2:
            raise CertifyError(f"{name} needs rows and columns, the inputs have {domain.shape}")
        if border not in BORDERS:
            raise CertifyError(f"border is one of {', '.join(BORDERS)}, received {border!r}")
        if border == ZERO and not domain.low <= 0 <= domain.high:
            raise CertifyError(f"border=zero: 0 is off the grid [{domain.low}, {domain.high}]")
        self.border = border
        self._maps = np.zeros((0, 0), np.int32)

    @property
    def size(self) -> int:
        """How many maps."""
        return len(self._maps)

    def check_room(self, members: int) -> None:
        """Raise `CertifyError` where so many maps do not fit into memory."""
        pixels = self.domain.shape[0] * self.domain.shape[1]
        if members * pixels > _MOST:
            raise CertifyError(
                f"{members} maps of {pixels} pixels are too many to keep; choose a smaller range"
            )

    def source(self, rows: Places, columns: Places) -> NDArray[np.int32]:
        """Return flat source indices by the border rule; -1 stands for a 0."""
        height, width = self.domain.shape[:2]
        if self.border == WRAP:
            return np.asarray(rows % height * width + columns % width, np.int32)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        flat = np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1)
        return np.asarray(flat if self.border == EDGE else np.where(inside, flat, -1), np.int32)

    def apply(self, x: Picture, members: Integers) -> Picture:
        """Read every pixel from its source."""
        return self.moved(x, self._maps[members])

    def moved(self, x: Picture, maps: NDArray[np.int32]) -> Picture:
        """Return ``x`` read through maps of flat sources, int16[len(maps), *shape]."""
        height, width = self.domain.shape[:2]
        pixels = x.reshape(height * width, -1)
        pixels = np.concatenate([pixels, np.zeros((1, pixels.shape[1]), pixels.dtype)])
        return pixels[maps].reshape(-1, *self.domain.shape)
