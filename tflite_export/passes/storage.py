"""Which weights are packed into fewer bits than a byte; the integers computed stay the same.

What runs packed weights (measured with LiteRT 2.3 and TFLM): int4 convolutions on both; int4 fully
connected layers on both with one scale, on LiteRT only with one scale a channel; int2 fully
connected layers on LiteRT only; int4 depthwise convolutions not on LiteRT's reference kernels.
The tie-free factor of four leaves room for ternary weights; for others it goes onto what the layer
reads (``tflite_export.spreading``).
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from tflite_export.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Operator,
    Tensor,
)
from tflite_export.passes.spread import spread, spread_operator, spread_tensor
from tflite_export.passes.tie_free import is_tie_free, unscaled

_LARGEST = {"int4": 7, "int2": 1}
# Per kind, what every kernel family takes; a depthwise convolution has few weights anyway.
_PACKED: dict[type[Linear], tuple[str, ...]] = {
    Conv2D: ("int4",),
    DepthwiseConv2D: (),
    FullyConnected: ("int2", "int4"),
}
#: Bytes that a spread tensor and its sum take in a file, at most.
SPREAD_BYTES = 256
# Accumulators below are exact in XNNPACK's float32, whatever the shift.
_EXACT = 2**24


def store(
    graph: IntegerGraph, storage: str, *, exact: bool, cost: int = SPREAD_BYTES
) -> tuple[IntegerGraph, list[str]]:
    """Choose the storage of every linear operator.

    Args:
        graph: after the tie-free pass.
        storage: "int8", "int4" or "int2": the smallest wanted.
        exact: pack only what stays tie-free; otherwise undo the tie-free scaling where that makes
            the weights fit, and say so.
        cost: bytes that packing what reads a tensor has to save, where the tensor must be spread.

    Returns:
        The graph, and what is no longer exact, in words.
    """
    if storage == "int8":
        return graph, []
    notes: list[str] = []
    packed = graph
    if storage == "int2" and not exact:  # smaller than what stays exact in int4
        packed = _with_ties(packed, ("int2",), notes)
    packed = packed.with_operators(tuple(_as_it_is(o, storage) for o in packed.operators))
    left = why_int8(packed, cost=cost)
    chosen = [o for o in _linears(packed) if o.storage == "int8" and o.output.name not in left]
    packed = spread(packed, chosen, "int4")
    return packed if exact else _with_ties(packed, ("int4",), notes), notes


def why_int8(graph: IntegerGraph, *, cost: int = SPREAD_BYTES) -> dict[str, str]:
    """Layer -> why its weights are no int4, of those that are stored as int8.

    Args:
        graph: after the tie-free pass, or as a file holds it.
        cost: as for ``store``.
    """
    bounded = _clipped_tensors(graph)
    found, gained = {}, Counter[Tensor]()
    candidates = [o for o in _linears(graph) if o.storage == "int8"]
    for operator in candidates:
        found[operator.output.name] = _obstacle(operator, bounded)
        if not found[operator.output.name]:
            gained[operator.source] += operator.weights.size // 2
    for operator in candidates:
        if not found[operator.output.name] and gained[operator.source] <= cost:
            found[operator.output.name] = (
                f"saves {gained[operator.source]} bytes, less than the sum that spreads its input"
            )
    return {name: why for name, why in found.items() if why}


def _obstacle(operator: Linear, bounded: set[Tensor]) -> str:
    """Why an operator that is stored as int8 cannot read a spread tensor, "" where it can."""
    if "int4" not in _PACKED[type(operator)]:
        return "LiteRT's reference kernels run no int4 depthwise convolution"
    if _has_one_output(operator):
        return "LiteRT up to 2.0 loads no packed dense layer of one output"
    plain = unscaled(operator)
    if _needs_channel_scales(plain):
        return "TFLM runs an int4 dense layer with one scale only"
    if _largest(plain) > _LARGEST["int4"]:
        return f"{plain.weight_bits}-bit weights"
    source = spread_tensor(operator.source)
    if source is None:
        return f"reads {operator.source.grid.bits} bits, and int8 holds four times 6"
    if operator.source not in bounded:
        return "reads the network's input, which nothing clips"
    if spread_operator(operator, source, "int4").accumulator_bound.max(initial=0) >= _EXACT:
        return "its accumulators leave the 24 bits of a float32"
    return ""


def _as_it_is(operator: Operator, storage: str) -> Operator:
    """Packed where the weights fit as the tie-free pass left them."""
    kinds = ("int2", "int4") if storage == "int2" else ("int4",)
    if isinstance(operator, Linear) and operator.storage == "int8":
        for kind in _runnable(operator, kinds):
            if _largest(operator) <= _LARGEST[kind]:
                return replace(operator, storage=kind)
    return operator


def _with_ties(graph: IntegerGraph, kinds: tuple[str, ...], notes: list[str]) -> IntegerGraph:
    """Packed where the weights fit without the tie-free scaling."""

    def packed(operator: Operator) -> Operator:
        if not isinstance(operator, Linear) or operator.storage != "int8":
            return operator
        plain = unscaled(operator)
        for kind in _runnable(operator, kinds):
            if _largest(plain) <= _LARGEST[kind]:
                if not is_tie_free(plain):
                    notes.append(
                        f"Layer '{operator.output.name}': packed into {kind}, its weights leave no "
                        f"room for tie-free rounding, so kernels differ by 1 on ties"
                    )
                return replace(plain, storage=kind)
        return operator

    return graph.with_operators(tuple(packed(operator) for operator in graph.operators))


def _runnable(operator: Linear, kinds: tuple[str, ...]) -> list[str]:
    """Those kinds of storage that all runtimes load the operator in."""
    if _has_one_output(operator):
        return []
    able = [kind for kind in kinds if kind in _PACKED[type(operator)]]
    return [kind for kind in able if kind != "int4" or not _needs_channel_scales(operator)]


def _linears(graph: IntegerGraph) -> list[Linear]:
    return [o for o in graph.operators if isinstance(o, Linear)]


def _clipped_tensors(graph: IntegerGraph) -> set[Tensor]:
    """Tensors whose integers some operator clips to their grid; whoever runs a file feeds inputs.

    What moves integers clips nothing.
    """
    clipped: set[Tensor] = set()
    for operator in graph.operators:
        if isinstance(operator, Linear | Add) or clipped.issuperset(operator.inputs):
            clipped.add(operator.output)
    return clipped


def _needs_channel_scales(operator: Linear) -> bool:
    """TFLM runs an int4 fully connected layer with one scale only."""
    different = bool(np.any(operator.weight_exponents != operator.weight_exponents[0]))
    return isinstance(operator, FullyConnected) and different


def _has_one_output(operator: Linear) -> bool:
    """LiteRT 1.3 to 2.0 cannot load a packed fully connected layer of one output."""
    return isinstance(operator, FullyConnected) and len(operator.weights) == 1


def _largest(operator: Linear) -> int:
    return int(np.abs(operator.weights).max(initial=0))
