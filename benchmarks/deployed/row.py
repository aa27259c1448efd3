"""One file of a table, and what stands for it where gradients are needed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import results
from grid.cells import Cell
from grid.subject import Subject
from numpy.typing import NDArray

from qrobust.attacks import TFLiteTarget
from qrobust.certify.file.model_file import load_model


@dataclass(frozen=True)
class Row:
    """A file.

    Attributes:
        name: in the table.
        path: of the ``.tflite``.
        through: Keras model whose gradients attacks follow; None for the file's own twin.
    """

    name: str
    path: Path
    through: Path | None = None

    @property
    def slug(self) -> str:
        """Name of the folder for what is kept."""
        return "".join(c if c.isalnum() else "_" for c in self.name)

    @property
    def key(self) -> dict[str, str]:
        """Hashes of what is judged; a result is of these and of no others."""
        through = "" if self.through is None else results.file_sha256(self.through)
        return {"file": results.file_sha256(self.path), "through": through}


@dataclass(frozen=True)
class Deployed(Subject):
    """A file and the pixels it is judged on.

    Attributes:
        target: runs the file.
        step: of the file's input grid, in pixel steps; sizes are divided by it.
    """

    target: Any = None
    step: float = 1.0

    def logits(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """The file's own, of pixels."""
        found: NDArray[np.float32] = self.target.logits(self.on_grid(x))
        return found

    def on_grid(self, x: NDArray[Any]) -> NDArray[np.int16]:
        """Whole numbers in steps of the file's grid: the pixels themselves where that is 1."""
        grid = self.target.grid
        scaled = np.rint(np.asarray(x) / self.step)
        return np.clip(scaled, grid.low, grid.high).astype(np.int16)


@contextmanager
def deployed(row: Row, x: NDArray[Any], y: NDArray[Any], folder: Path) -> Iterator[Deployed]:
    """A row, ready to be judged on uint8 pictures ``x`` with classes ``y``.

    Raises:
        ValueError: a file that does not read pictures of that shape.
    """
    content = row.path.read_bytes()
    file = load_model(content)
    if file.shape != x.shape[1:]:
        raise ValueError(
            f"{row.name} reads inputs of shape {file.shape}; the pictures have {x.shape[1:]}"
        )
    cell = Cell("cifar10", "file", row.slug, 0, (), {}, {})
    folder.mkdir(parents=True, exist_ok=True)
    with closing(TFLiteTarget(content, name=row.name)) as target:
        subject = Deployed(cell, None, content, x, y, folder, target, file.grid.scale)
        # A grid that ends where a pixel has its last step is that of pixels.
        near = abs(subject.step - 1) * 255 < 0.5
        yield replace(subject, step=1.0) if near else subject
