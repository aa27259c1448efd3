"""``export``: a quantized Keras model in, a fully integer ``.tflite`` out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.graph import IntegerGraph, Linear
from tflite_export.grid import Grid
from tflite_export.lower import Lowered, lower
from tflite_export.metadata import export_metadata
from tflite_export.passes.explicit_clips import explicit_clips
from tflite_export.passes.tie_free import can_be_tie_free, tie_free
from tflite_export.report import Report


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        tflite: the file's bytes.
        lowered: the model as an integer graph, before any pass: the specification.
        graph: what the file holds, after the passes.
    """

    tflite: bytes
    lowered: Lowered
    graph: IntegerGraph

    @cached_property
    def report(self) -> Report:
        """A table per layer; print it."""
        return Report.of(self.graph, notes=self.lowered.notes, file_bytes=len(self.tflite))

    def save(self, path: str | Path) -> Path:
        """Write the ``.tflite``."""
        path = Path(path)
        path.write_bytes(self.tflite)
        return path


def export(
    model: Any,
    *,
    input_grid: Grid | Mapping[str, Grid] | None = None,
    labels: Sequence[str] = (),
    exact: bool = True,
    rounding: str = "tie-free",
) -> Exported:
    """Export a quantized Keras model to the same integers on every device.

    Args:
        model: a built Sequential or Functional model whose layers are quantized (QKeras layers with
            the quantizers of ``qrobust.quantizers``, or what ``qrobust.quantize`` returns).
        input_grid: what the model's inputs may hold, in the units of ``model.predict``. By default
            what the model says (a quantized activation or noise layer on the input), else pixels
            0 to 255.
        labels: class names, stored in the file.
        exact: refuse a model that could differ from ``model.predict`` by one integer on any
            runtime. With False such a model is exported all the same, and ``report.notes`` says
            what is not exact.
        rounding: "tie-free", or "naive" to store the weights as they are (for comparisons: kernels
            then round differently).

    Raises:
        ExportError: a layer has no integer form, or no exact one.
    """
    if rounding not in ("tie-free", "naive"):
        raise ValueError(f"rounding is 'tie-free' or 'naive'. Received: {rounding!r}")
    lowered = lower(model, input_grid=input_grid, exact=exact)
    notes = list(lowered.notes)
    for operator in lowered.graph.operators:
        if isinstance(operator, Linear) and not can_be_tie_free(operator):
            problem = (
                f"Layer '{operator.output.name}': {operator.weight_bits}-bit weights leave no room "
                f"for tie-free rounding (up to 6 bits do), so kernels differ by 1 on ties"
            )
            if exact:
                raise ExportError(f"{problem}. Use 6 bits, or export with exact=False.")
            notes.append(problem)
    lowered = Lowered(lowered.graph, lowered.input_grids, lowered.output_grids, tuple(notes))
    graph = explicit_clips(lowered.graph)
    if rounding == "tie-free":
        graph = tie_free(graph)
    metadata = export_metadata(lowered, labels)
    return Exported(to_flatbuffer(graph, metadata=metadata), lowered, graph)
