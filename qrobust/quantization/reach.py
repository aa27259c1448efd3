"""What a tensor can hold that no weights were applied to: from what the inputs hold."""

import math
from typing import Any

import keras
import numpy as np

from qrobust.quantization.graph import FloatGraph
from qrobust.quantization.kinds import AVERAGES, is_relu, moves, upper_clip
from tflite_export.grid import Grid

_L = keras.layers
_UNIONS = (_L.Concatenate, _L.Maximum, _L.Minimum)

Range = tuple[float, float]


class Reach:
    """Ranges of tensors of a float graph, without data.

    Args:
        graph: the model.
        grids: of its inputs, in their order; None of one that nothing is known of.
    """

    def __init__(self, graph: FloatGraph, grids: list[Grid | None]) -> None:
        self._graph = graph
        self._inputs = {
            id(tensor): (float(grid.dequantize(grid.minimum)), float(grid.dequantize(grid.maximum)))
            for tensor, grid in zip(graph.graph.inputs, grids, strict=True)
            if grid is not None
        }

    def of(self, tensor: Any) -> Range | None:
        """Least and largest value, 0 among them; None where weights or unknown layers take part."""
        if id(tensor) in self._inputs:
            low, high = self._inputs[id(tensor)]
            return min(low, 0.0), max(high, 0.0)
        node = self._graph.writer(tensor)
        if node is None:
            return None
        ranges = [self.of(source) for source in node.input_tensors]
        known = [one for one in ranges if one is not None]
        return _through(node.operation, known) if len(known) == len(ranges) else None

    def integer_bits(self, tensor: Any) -> int | None:
        """Of the narrowest quantizer with a power-of-two range that clips nothing of a tensor."""
        found = self.of(tensor)
        if found is None or found == (0.0, 0.0):
            return None
        low, high = found
        above = math.floor(math.log2(high)) + 1 if high > 0 else -math.inf
        return int(max(above, math.ceil(math.log2(-low)) if low < 0 else -math.inf))


def _through(layer: Any, ranges: list[Range]) -> Range | None:
    low, high = ranges[0]
    if is_relu(layer):
        upper = upper_clip(layer)
        high = max(high, 0.0)
        return 0.0, high if upper is None else min(high, upper)
    if moves(layer) or isinstance(layer, AVERAGES):
        return low, high
    if isinstance(layer, _L.Rescaling):
        if np.ndim(layer.scale) or np.ndim(layer.offset):
            return None
        ends = [float(layer.scale) * end + float(layer.offset) for end in (low, high)]
        return min(0.0, *ends), max(0.0, *ends)
    if isinstance(layer, _L.Add):
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)
    if isinstance(layer, _UNIONS):
        return min(low for low, _ in ranges), max(high for _, high in ranges)
    return None
