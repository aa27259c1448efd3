"""What tensors can hold that no trained weights were applied to: from what the inputs hold."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from qrobust.layers.input_noise import INPUT_NOISES
from qrobust.quantization.graph import FloatGraph, inner_layer, inner_model, is_nested
from qrobust.quantization.kinds import AVERAGES, is_relu, moves, upper_clip
from qrobust.quantization.tables import is_tabulated
from tflite_export.grid import Grid
from tflite_export.lower.functions import function_name

_L = keras.layers
_UNIONS = (_L.Concatenate, _L.Maximum, _L.Minimum)
_POINTS = 4097

#: Least and greatest value, 0 among them.
Range = tuple[float, float]


def range_of(grid: Grid) -> Range:
    """What a grid holds."""
    return _hull([float(grid.dequantize(q)) for q in (grid.minimum, grid.maximum)])


def union(ranges: Sequence[Range | None]) -> Range | None:
    """What holds all of them; None where one is not known."""
    known = [one for one in ranges if one is not None]
    return _hull([end for one in known for end in one]) if len(known) == len(ranges) else None


class Reach:
    """Ranges of tensors of a simplified float graph, without data; one pass over its calls.

    Known are inputs, what a noise layer lets through, and what is made of these by moving, ReLUs,
    tables, averages, sums, joins and frozen depthwise kernels, as simplifying makes them of affine
    layers. Behind trained weights nothing is.

    Args:
        graph: the model.
        inputs: ranges of its inputs, in their order; None of one that nothing is known of.
    """

    def __init__(self, graph: FloatGraph, inputs: Sequence[Range | None]) -> None:
        self._known: dict[int, Range] = {}
        self._note(graph.graph.inputs, inputs)
        for node in graph.nodes:
            self._note(node.output_tensors, self._through(node))

    def of(self, tensor: Any) -> Range | None:
        """The range of a tensor; None where it is not known."""
        return self._known.get(id(tensor))

    def integer_bits(self, tensors: Sequence[Any]) -> int | None:
        """Of the narrowest power-of-two range that clips nothing of any of the tensors."""
        found = union([self.of(tensor) for tensor in tensors])
        if found is None or found == (0.0, 0.0):
            return None
        low, high = found
        above = math.floor(math.log2(high)) + 1 if high > 0 else -math.inf
        return int(max(above, math.ceil(math.log2(-low)) if low < 0 else -math.inf))

    def _note(self, tensors: Sequence[Any], ranges: Sequence[Range | None]) -> None:
        for tensor, found in zip(tensors, ranges, strict=True):
            if found is not None:
                self._known[id(tensor)] = found

    def _through(self, node: Any) -> Sequence[Range | None]:
        read = [self.of(tensor) for tensor in node.input_tensors]
        if is_nested(node.operation):
            graph = FloatGraph(inner_model(node.operation))
            inside = Reach(graph, read)
            return [inside.of(tensor) for tensor in graph.graph.outputs]
        if isinstance(node.operation, INPUT_NOISES):
            return [range_of(node.operation.grid())]
        known = [one for one in read if one is not None]
        found = _made(inner_layer(node.operation), known) if known and known == read else None
        return [found] * len(node.output_tensors)


def _made(layer: Any, ranges: Sequence[Range]) -> Range | None:
    """What a layer makes of what it reads; None where weights decide."""
    low, high = ranges[0]
    if is_relu(layer):
        upper = upper_clip(layer)
        return 0.0, high if upper is None else min(high, upper)
    if is_tabulated(layer):
        return _hull(layer.activation.exactly(np.linspace(low, high, _POINTS)[:, None]))
    if moves(layer) or isinstance(layer, AVERAGES):
        return low, high
    if isinstance(layer, _L.Rescaling):  # by a power of two; others have become kernels
        return _hull([float(layer.scale) * end for end in (low, high)])
    if isinstance(layer, _L.Add):
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)
    if isinstance(layer, _UNIONS):
        return union(ranges)
    frozen = isinstance(layer, _L.DepthwiseConv2D) and not layer.trainable
    if frozen and function_name(layer.activation) == "linear":
        return _by_kernel(layer, low, high)
    return None


def _by_kernel(layer: Any, low: float, high: float) -> Range:
    kernel = np.asarray(layer.kernel, np.float64)
    above, below = (
        part.sum(axis=(0, 1)).ravel() for part in (kernel.clip(0), kernel.clip(None, 0))
    )
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    return _hull([*(above * high + below * low + bias), *(above * low + below * high + bias)])


def _hull(values: Any) -> Range:
    return min(0.0, float(np.min(values))), max(0.0, float(np.max(values)))
