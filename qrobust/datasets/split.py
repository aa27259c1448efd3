"""One part of a data set."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Inputs and labels, checked when built.

    Attributes:
        x: Integers on the input grid, `(examples, ...)`, at least one example.
        y: int64 `(examples,)`, class numbers from 0.

    Raises:
        ValueError: No example, lengths that differ, or numbers that are no integers.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        if x.dtype.kind not in "iu" or y.dtype.kind not in "iu":
            raise ValueError(
                f"Inputs and labels have to be integers. Received: {x.dtype}, {y.dtype}"
            )
        if y.ndim != 1 or x.ndim < 2 or len(x) != len(y) or len(y) == 0:
            raise ValueError(
                "Inputs and labels have to be (examples, ...) and (examples,), at least one "
                f"example. Received: {x.shape} and {y.shape}"
            )
        if y.min() < 0:
            raise ValueError(f"Labels have to be class numbers from 0. Received: {y.min()}")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y.astype(np.int64))

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.y)

    def __repr__(self) -> str:
        return f"Split({len(self)} of {self.x.shape[1:]} {self.x.dtype})"
