"""What an export gives back: the file, its specification, and how runtimes compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tflite_export.atomic import write_bytes
from tflite_export.graph import IntegerGraph
from tflite_export.lower import Lowered
from tflite_export.report import Report


@dataclass(frozen=True)
class Parity:
    """How many integers differ from the NumPy reference.

    Attributes:
        inputs: examples compared.
        integers: outputs compared on each runtime.
        differing: runtime -> integers that differ.
        skipped: runtime -> why it did not run.
    """

    inputs: int
    integers: int
    differing: dict[str, int]
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """Whether every runtime that ran gave the same integers."""
        return not any(self.differing.values())

    def __str__(self) -> str:
        lines = [f"{self.inputs} inputs, {self.integers} integers each, against the reference:"]
        lines += [f"  {name:<18}{count:>8} differ" for name, count in self.differing.items()]
        lines += [f"  {name:<18} skipped: {why}" for name, why in self.skipped.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        tflite: the file's bytes.
        lowered: the model as an integer graph, before any pass: the specification.
        graph: what the file holds, after the passes.
        parity: the comparison on the inputs that were given to ``export``, if any were.
    """

    tflite: bytes
    lowered: Lowered
    graph: IntegerGraph
    parity: Parity | None = None

    @cached_property
    def report(self) -> Report:
        """A table per layer; print it."""
        return Report.of(
            self.graph,
            notes=self.lowered.notes,
            file_bytes=len(self.tflite),
            parity=None if self.parity is None else str(self.parity),
        )

    def save(self, path: str | Path) -> Path:
        """Write the ``.tflite``, whole or not at all."""
        return write_bytes(path, self.tflite)


def as_arrays(inputs: npt.ArrayLike | Sequence[npt.ArrayLike]) -> list[npt.NDArray[Any]]:
    """One array per model input, from an array or a list of them."""
    return [np.asarray(a) for a in (inputs if isinstance(inputs, list | tuple) else [inputs])]
