"""Which weights are packed into fewer bits than a byte; the integers computed stay the same.

What runs packed weights (measured with LiteRT 2.3 and TFLM): int4 convolutions on both; int4 fully
connected layers on both with one scale, on LiteRT only with one scale a channel; int2 fully
connected layers on LiteRT only; int4 depthwise convolutions not on LiteRT's reference kernels.
"""

from dataclasses import replace

import numpy as np

from tflite_export.graph import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Operator,
)
from tflite_export.passes.tie_free import is_tie_free, unscaled

_LARGEST = {"int4": 7, "int2": 1}
# Per kind, what every kernel family takes; a depthwise convolution has few weights anyway.
_PACKED: dict[type[Linear], tuple[str, ...]] = {
    Conv2D: ("int4",),
    DepthwiseConv2D: (),
    FullyConnected: ("int2", "int4"),
}


def store(graph: IntegerGraph, storage: str, *, exact: bool) -> tuple[IntegerGraph, list[str]]:
    """Choose the storage of every linear operator.

    Args:
        graph: after the tie-free pass.
        storage: "int8", "int4" or "int2": the smallest wanted.
        exact: pack only what stays tie-free; otherwise undo the tie-free scaling where that makes
            the weights fit, and say so.

    Returns:
        The graph, and what is no longer exact, in words.
    """
    notes: list[str] = []
    operators = tuple(_store(operator, storage, exact, notes) for operator in graph.operators)
    return graph.with_operators(operators), notes


def _store(operator: Operator, storage: str, exact: bool, notes: list[str]) -> Operator:
    if not isinstance(operator, Linear) or storage == "int8" or _has_one_output(operator):
        return operator
    for kind in _PACKED[type(operator)]:
        if kind == "int2" and storage != "int2":
            continue
        if kind == "int4" and _needs_channel_scales(operator):
            continue
        if _largest(operator) <= _LARGEST[kind]:
            return replace(operator, storage=kind)
        plain = unscaled(operator)
        if not exact and _largest(plain) <= _LARGEST[kind]:
            if not is_tie_free(plain):
                notes.append(
                    f"Layer '{operator.output.name}': packed into {kind}, its weights leave no "
                    f"room for tie-free rounding, so kernels differ by 1 on ties"
                )
            return replace(plain, storage=kind)
    return operator


def _needs_channel_scales(operator: Linear) -> bool:
    """TFLM runs an int4 fully connected layer with one scale only."""
    different = bool(np.any(operator.weight_exponents != operator.weight_exponents[0]))
    return isinstance(operator, FullyConnected) and different


def _has_one_output(operator: Linear) -> bool:
    """LiteRT 1.3 to 2.0 cannot load a packed fully connected layer of one output."""
    return isinstance(operator, FullyConnected) and len(operator.weights) == 1


def _largest(operator: Linear) -> int:
    return int(np.abs(operator.weights).max(initial=0))
