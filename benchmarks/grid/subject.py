"""What is judged: a cell's network on the images that chose nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.cells import Cell


@dataclass(frozen=True)
class Subject:
    """A trained cell and its images.

    Attributes:
        cell: which.
        model: Keras's.
        tflite: its file; None of a float cell.
        x: integers on the input grid, (images, ...).
        y: int64 (images,).
        folder: for what is kept on the way.
    """

    cell: Cell
    model: Any
    tflite: bytes | None
    x: NDArray[Any]
    y: NDArray[np.int64]
    folder: Path

    def logits(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Keras's logits, which are the file's integers times their step."""
        found: NDArray[np.float32] = self.model.predict(
            x.astype(np.float32), verbose=0, batch_size=256
        )
        return found

    def right(self, x: NDArray[Any]) -> NDArray[np.bool_]:
        """Which images are classified right, in the order of ``y``."""
        return np.asarray(self.logits(x).argmax(-1) == self.y)
