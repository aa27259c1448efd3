"""The classifier that counting certificates are about, under attack: its votes are its logits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.pixel_grid import PixelGrid
from qrobust.attacks.ground.target import Floats, described
from qrobust.certify import Certifier
from qrobust.certify.smoothings.counting import Counting


class CountedTarget:
    """The winner of all views of an input, one answer at a time.

    Args:
        certifier: of a file that counts views.
        name: in reports.

    Raises:
        ValueError: a file that draws noise.
    """

    def __init__(self, certifier: Certifier, *, name: str = "model.tflite") -> None:
        if not isinstance(certifier.smoothing, Counting):
            raise ValueError(f"'{name}' draws noise; it counts no views.")
        grid = certifier.file.grid
        self.name = name
        self.certifier = certifier
        self.grid = PixelGrid(grid.low, grid.high, grid.scale)
        self.shape = certifier.inputs
        self.classes = certifier.file.classes
        self.views = certifier.smoothing.views
        self.queries = 0

    def __repr__(self) -> str:
        return described(self)

    def logits(self, x: NDArray[Any]) -> Floats:
        """Votes of all views, float32[n, classes]; ties go to the lowest index, as for labels."""
        x = np.asarray(x)
        if x.dtype.kind == "f":
            x = np.rint(x)
        self.queries += len(x)
        votes = [
            # Views have no key.
            self.certifier.votes(image, self.views, key=(0, 0))
            for image in x.astype(np.int64)
        ]
        return np.asarray(np.stack(votes), np.float32)

    def close(self) -> None:
        """End the certifier's threads and processes."""
        self.certifier.close()
