"""The table that an export prints: one row per operator, then totals."""

from dataclasses import dataclass, field

import numpy as np

from tflite_export.arena import activation_bytes
from tflite_export.clients import described
from tflite_export.graph import IntegerGraph, Linear, Operator
from tflite_export.passes.tie_free import is_tie_free, unscaled_weight_bits


@dataclass(frozen=True)
class Row:
    """One operator.

    Attributes:
        name: of the tensor it writes.
        kind: the operator.
        shape: of the output, without the batch.
        weight_bits: bits of the largest weight before the tie-free scaling; None without weights.
        activation_bits: bits of the output's grid.
        storage: "int8", "int4" or "int2"; None without weights.
        stored_bytes: of weights and biases.
        macs: multiply-accumulates for one example.
        shift: smallest and largest log2 of output step over accumulator step.
        tie_free: whether no accumulator is a tie; None where nothing is rounded.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weight_bits: int | None
    activation_bits: int
    storage: str | None
    stored_bytes: int
    macs: int
    shift: tuple[int, int] | None
    tie_free: bool | None


@dataclass(frozen=True)
class Report:
    """What was exported; ``str()`` is a table.

    Attributes:
        rows: one per operator.
        inputs: input -> what it holds, in the caller's units.
        notes: what is not exact, in words.
        file_bytes: size of the ``.tflite``.
        activation_bytes: of the activations that live at once, buffers reused; a device needs
            more, for its runtime keeps state of its own.
        parity: the comparison of the runtimes, in words, where one was made.
        clients: which others give the same integers, in words, where these do.
        unpacked: layer -> why it is stored as int8, where packed weights were asked for.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    file_bytes: int
    activation_bytes: int
    parity: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    clients: str = ""
    unpacked: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        graph: IntegerGraph,
        *,
        notes: tuple[str, ...],
        file_bytes: int,
        parity: str | None = None,
        inputs: dict[str, str] | None = None,
        unpacked: dict[str, str] | None = None,
    ) -> "Report":
        """The report of a graph as it stands in the file."""
        rows = tuple(_row(operator) for operator in graph.operators)
        elsewhere = "" if notes else described(graph)
        activations = activation_bytes(graph)
        known = (inputs or {}, elsewhere, unpacked or {})
        return cls(rows, notes, file_bytes, activations, parity, *known)

    @property
    def is_exact(self) -> bool:
        """Whether every runtime gives the integers of ``model.predict``."""
        return not self.notes

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one example."""
        return sum(row.macs for row in self.rows)

    def __str__(self) -> str:
        from tabulate import tabulate

        header = "layer operator output w-bits a-bits stored bytes MACs shift ties".split()
        lines = [
            [
                row.name,
                row.kind,
                "x".join(map(str, row.shape)),
                row.weight_bits,
                row.activation_bits,
                row.storage,
                row.stored_bytes or None,
                row.macs or None,
                row.shift and "..".join(map(str, sorted(set(row.shift)))),
                {True: "none", False: "possible", None: None}[row.tie_free],
            ]
            for row in self.rows
        ]
        stored = sum(row.stored_bytes for row in self.rows)
        verdict = f"exact: the same integers on LiteRT, TFLM and as C\n{self.clients}"
        if self.notes:
            verdict = "not exact:\n" + "\n".join(f"  * {note}" for note in self.notes)
        held = "".join(f"\ninput '{name}': {grid}" for name, grid in self.inputs.items())
        held += "".join(f"\nnot packed: '{name}': {why}" for name, why in self.unpacked.items())
        return (
            f"{tabulate(lines, header, tablefmt='simple', disable_numparse=True)}\n"
            f"{stored:,} bytes of weights and biases, {self.macs:,} MACs, "
            f"{self.file_bytes:,} bytes in the file, {self.activation_bytes:,} bytes of "
            f"activations alive at once (a runtime needs more){held}\n{verdict}"
        ) + ("" if self.parity is None else f"\n{self.parity}")


def _row(operator: Operator) -> Row:
    linear = operator if isinstance(operator, Linear) else None
    return Row(
        name=operator.output.name,
        kind=type(operator).__name__,
        shape=operator.output.shape,
        weight_bits=unscaled_weight_bits(linear) if linear else None,
        activation_bits=operator.output.grid.bits,
        storage=linear.storage if linear else None,
        stored_bytes=linear.stored_bytes if linear else 0,
        macs=operator.macs,
        shift=(int(linear.shift.min()), int(linear.shift.max())) if linear else None,
        tie_free=is_tie_free(linear) if linear and np.any(linear.shift >= 1) else None,
    )
