"""One step for both operands and the result of every sum, so that no sum rounds.

OpenVINO leaves out the rounding in front of a sum; where nothing is rounded behind it, that does
no harm. Sums along a chain of identity shortcuts share one step.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from qrobust.quantization.graph import FloatGraph, inner_layer
from qrobust.quantization.kinds import is_relu, moves
from qrobust.quantization.options import Options
from qrobust.quantization.reach import Reach
from qrobust.quantization.roads import Roads
from qrobust.quantization.twins import relu_quantizer
from tflite_export.grid import Grid
from tflite_export.lower.functions import function_name

_WIDE_BITS = 8
# log2 of a wide result's step where no data says better: [-8, 8) in 8 bits.
_EXPONENT = -4
_TRIED = 12


def equal_steps(
    graph: FloatGraph,
    roads: Roads,
    observed: Mapping[int, npt.NDArray[Any]],
    options: Options,
    reach: Reach,
) -> dict[int, int]:
    """Log2 of the step of every tensor that a sum ties to others, by ``id``.

    Args:
        graph: the float model; sums inside nested models are tied inside these.
        roads: through it.
        observed: values by ``id`` of the tensor, none without calibration data.
        options: bits of ReLU outputs.
        reach: ranges of what is made of inputs alone.
    """
    groups: list[dict[int, Any]] = []
    for node in graph.nodes:
        if not isinstance(node.operation, keras.layers.Add):
            continue
        ends = [_rounded_at(graph, t) for t in node.input_tensors]
        if any(graph.writer(t) is None for t in ends):
            continue  # An input has the grid it has.
        ends += _results(graph, roads, node.output_tensors[0])
        merged = {id(t): t for t in ends}
        for group in [g for g in groups if g.keys() & merged.keys()]:
            groups.remove(group)
            merged |= group
        groups.append(merged)
    steps: dict[int, int] = {}
    for group in groups:
        steps |= dict.fromkeys(group, _step(group, graph, roads, observed, options, reach))
    return steps


def _rounded_at(graph: FloatGraph, tensor: Any) -> Any:
    """The tensor behind whose layer the quantizer of a sum's operand stands."""
    node = graph.writer(tensor)
    while node is not None and moves(node.operation):
        tensor = node.input_tensors[0]
        node = graph.writer(tensor)
    return tensor


def _results(graph: FloatGraph, roads: Roads, tensor: Any) -> list[Any]:
    if not roads.meet_relu(tensor):
        return [tensor]
    found = []
    for node in graph.readers(tensor):
        output = node.output_tensors[0]
        found += [output] if is_relu(node.operation) else _results(graph, roads, output)
    return found


def _step(
    group: Mapping[int, Any],
    graph: FloatGraph,
    roads: Roads,
    observed: Mapping[int, npt.NDArray[Any]],
    options: Options,
    reach: Reach,
) -> int:
    """The step with the least squared error over all tensors of a group, each with its bits."""
    grids = [_grid(tensor, graph, roads, options) for tensor in group.values()]
    seen = []
    for key, grid in zip(group, grids, strict=True):
        if key in observed:
            lowest = 0 if grid.is_unsigned else -np.inf
            seen.append((grid, np.maximum(observed[key], lowest)))
    if not seen:
        known = [reach.integer_bits([tensor]) for tensor in group.values()]
        return max(
            grid.exponent if integer is None else integer - grid.bits + (not grid.is_unsigned)
            for grid, integer in zip(grids, known, strict=True)
        )
    largest = max(float(np.abs(values).max()) / grid.reach for grid, values in seen)
    covering = int(np.ceil(np.log2(largest or 1.0)))

    def error(exponent: int) -> float:
        scaled = [(grid.scaled(exponent - grid.exponent), values) for grid, values in seen]
        return sum(float(np.square(g.dequantize(g.quantize(v)) - v).mean()) for g, v in scaled)

    return min(range(covering - _TRIED, covering + 2), key=error)


def _grid(tensor: Any, graph: FloatGraph, roads: Roads, options: Options) -> Grid:
    layer = inner_layer(graph.writer(tensor).operation)
    if is_relu(layer) or function_name(getattr(layer, "activation", None)) == "relu":
        bits = relu_quantizer(options.activation_bits.needed(layer.name), 0).bits
        return Grid.unsigned(bits, 2 - bits)
    if roads.never_negative(tensor):
        return Grid.unsigned(_WIDE_BITS, _EXPONENT)
    return Grid.signed(_WIDE_BITS, _EXPONENT)
