"""What an exported file says about itself, as a JSON metadata entry named ``tflite_export``."""

import json
from collections.abc import Sequence
from importlib.metadata import version

from tflite_export.errors import ExportError
from tflite_export.grid import Grid
from tflite_export.lower import Lowered
from tflite_export.read import ENTRY

__all__ = ["ENTRY", "export_metadata"]


def export_metadata(
    lowered: Lowered, notes: Sequence[str], labels: Sequence[str]
) -> dict[str, bytes]:
    """The entry for a lowered model.

    Args:
        lowered: the model.
        notes: what the file does not compute exactly, in words.
        labels: class names, or none.

    Raises:
        ExportError: as many labels as classes are needed, or none.
    """
    classes = lowered.graph.outputs[0].shape[-1]
    if labels and len(labels) != classes:
        raise ExportError(f"{len(labels)} labels were given for {classes} classes.")
    content = {
        "version": version("qrobust"),
        "name": lowered.graph.name,
        "inputs": [_entry(grid) for grid in lowered.input_grids],
        "outputs": [_entry(grid) for grid in lowered.output_grids],
        "labels": list(labels),
        "inexact": list(notes),
    }
    return {ENTRY: json.dumps(content, sort_keys=True).encode()}


def _entry(grid: Grid) -> dict[str, int]:
    return {name: getattr(grid, name) for name in ("exponent", "zero_point", "minimum", "maximum")}
