"""Integer graph -> ``.tflite`` bytes.

Only writes down what the graph says: a scale is ``2**exponent``, a bias scale the product of its
neighbours', and a clip the fused activation that means it. No TensorFlow needed.
"""

from collections.abc import Mapping

from tflite_export.flatbuffer.operators import EMITTERS, fused_activation
from tflite_export.flatbuffer.packing import pack
from tflite_export.flatbuffer.writer import Writer
from tflite_export.graph import IntegerGraph

__all__ = ["fused_activation", "pack", "to_flatbuffer"]


def to_flatbuffer(
    graph: IntegerGraph, *, io: str = "int8", metadata: Mapping[str, bytes] | None = None
) -> bytes:
    """Serialize a graph as a fully integer ``.tflite``.

    Args:
        graph: the graph, after any pass that should act on it.
        io: "int8", or "uint8" for inputs and outputs shifted by 128.
        metadata: named blobs to carry along.

    Raises:
        ExportError: an operator lies outside what the kernels compute exactly.
    """
    return Writer(graph, io, metadata or {}, EMITTERS).finish()
