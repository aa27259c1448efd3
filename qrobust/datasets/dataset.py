"""A data set as its loader returns it."""

from dataclasses import dataclass

import numpy as np

from qrobust.datasets.split import Split


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test parts on one input grid, checked when built.

    Attributes:
        name: Name of the data set.
        train: Examples to train on.
        test: Examples to report on.
        class_names: One name for each label.
        unit: What one step of an input (1 LSB) is, for certificates and reports.
        validation: Examples to choose by, where the publisher defines them.

    Raises:
        ValueError: Fewer than two classes to train on, labels without a name, or parts that differ
            in shape or dtype.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    unit: str
    validation: Split | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(self.class_names))
        present = np.unique(self.train.y)
        if present.size < 2:
            raise ValueError(
                f"{self.name} needs training examples of at least two classes. "
                f"Found: {self._names(present)}"
            )
        for part in (self.train, self.test, self.validation):
            if part is None:
                continue
            if part.y.max() >= len(self.class_names):
                raise ValueError(
                    f"{self.name} has a label {part.y.max()} but only "
                    f"{len(self.class_names)} class names"
                )
            if part.x.shape[1:] != self.train.x.shape[1:] or part.x.dtype != self.train.x.dtype:
                raise ValueError(
                    f"The parts of {self.name} have to hold inputs of one kind. "
                    f"Received: {self.train!r} and {part!r}"
                )

    def _names(self, labels: np.ndarray) -> list[str]:
        return [self.class_names[n] if n < len(self.class_names) else str(n) for n in labels]
