"""Quantized Keras models as fully integer ``.tflite`` files: the same integers on every device.

Public names load when first used: reading a grid does not import Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tflite_export.errors import ExportError
    from tflite_export.exported import Exported, Parity
    from tflite_export.exporter import export
    from tflite_export.graph import IntegerGraph
    from tflite_export.grid import Grid
    from tflite_export.parity import check_parity
    from tflite_export.read import read_graph

_HOMES = {
    "ExportError": "errors",
    "Exported": "exported",
    "Grid": "grid",
    "IntegerGraph": "graph",
    "Parity": "exported",
    "check_parity": "parity",
    "export": "exporter",
    "read_graph": "read",
}
__all__ = [
    "ExportError",
    "Exported",
    "Grid",
    "IntegerGraph",
    "Parity",
    "check_parity",
    "export",
    "read_graph",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
