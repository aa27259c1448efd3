"""What an export gives back: the file, its specification, and how runtimes compared."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tflite_export.atomic import write_bytes
from tflite_export.graph import IntegerGraph
from tflite_export.lower import Lowered
from tflite_export.report import Report


@dataclass(frozen=True)
class Parity:
    """How many integers differ from the NumPy reference, and what the integers are worth.

    Attributes:
        inputs: examples compared.
        integers: outputs compared on each runtime.
        differing: runtime -> integers that differ.
        skipped: runtime -> why it did not run.
        input_grids: input -> what it holds, in the caller's units.
        same_labels: examples whose label the file shares with ``model.predict`` on the inputs as
            they were given, before anything rounds them; None where outputs are no classes.
        right_labels: examples that the file and that ``model.predict`` classify right; None
            without labels.
    """

    inputs: int
    integers: int
    differing: dict[str, int]
    skipped: dict[str, str] = field(default_factory=dict)
    input_grids: dict[str, str] = field(default_factory=dict)
    same_labels: int | None = None
    right_labels: tuple[int, int] | None = None

    @property
    def is_exact(self) -> bool:
        """Whether every runtime that ran gave the same integers."""
        return not any(self.differing.values())

    def __str__(self) -> str:
        lines = [f"{self.inputs} inputs, {self.integers} integers each, against the reference:"]
        lines += [f"  {name:<18}{count:>8} differ" for name, count in self.differing.items()]
        lines += [f"  {name:<18} skipped: {why}" for name, why in self.skipped.items()]
        lines += [f"input '{name}': {held}" for name, held in self.input_grids.items()]
        if self.same_labels is not None:
            lines.append(
                f"labels: {self.same_labels} of {self.inputs} as Keras gives them on the inputs "
                f"as they are"
            )
        if self.right_labels is not None:
            file, keras = (count / self.inputs for count in self.right_labels)
            lines.append(f"accuracy: {file:.1%} (Keras {keras:.1%})")
        return "\n".join(lines)


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        tflite: the file's bytes.
        lowered: the model as an integer graph, before any pass: the specification.
        graph: what the file holds, after the passes.
        notes: what is not exact, in words, of lowering and of the passes.
        parity: the comparison on the inputs that were given to ``export``, if any were.
        unpacked: layer -> why it is stored as int8, where packed weights were asked for.
    """

    tflite: bytes
    lowered: Lowered
    graph: IntegerGraph
    notes: tuple[str, ...] = ()
    parity: Parity | None = None
    unpacked: dict[str, str] = field(default_factory=dict)

    @cached_property
    def report(self) -> Report:
        """A table per layer; print it."""
        return Report.of(
            self.graph,
            inputs=self.lowered.described_inputs,
            notes=self.notes,
            file_bytes=len(self.tflite),
            parity=None if self.parity is None else str(self.parity),
            unpacked=self.unpacked,
        )

    def save(self, path: str | Path) -> Path:
        """Write the ``.tflite``, whole or not at all."""
        return write_bytes(path, self.tflite)
