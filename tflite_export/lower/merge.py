"""Layers that join branches."""

from collections.abc import Sequence
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.graph import Add
from tflite_export.grid import Grid
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import OnGrid, Pending, Result, Value


@lowers("keras.Add")
def _add(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    if len(inputs) != 2:
        raise ExportError(
            f"Layer '{layer.name}': adds {len(inputs)} branches; TFLite's ADD takes two. Add them "
            f"in pairs, with a quantized activation after each sum."
        )
    a, b = (builder.on_grid(value, reader=layer.name) for value in inputs)
    if a.exponent != b.exponent:
        raise ExportError(
            f"Layer '{layer.name}': its branches were rescaled by different powers of two. "
            f"Rescale before the last linear layer of a branch instead."
        )

    def settle(grid: Grid) -> OnGrid:
        output = builder.tensor(layer.name, a.shape, grid.scaled(-a.exponent))
        operator = Add(inputs=(a.tensor, b.tensor), output=output)
        return OnGrid(builder.emit(operator).tensor, a.exponent)

    return Pending(layer.name, a.shape, once(settle), _lossless_sum(a.grid, b.grid))


def _lossless_sum(a: Grid, b: Grid) -> Grid | None:
    """The grid of every sum of two values, when int8 can hold it."""
    exponent = min(a.exponent, b.exponent)
    step = 2.0**exponent
    low, high = int((a.low + b.low) / step), int((a.high + b.high) / step)
    if high - low > 255:
        return None
    zero_point = 127 - high
    return Grid(exponent, zero_point, zero_point + low)
