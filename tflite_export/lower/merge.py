"""Layers that join branches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.graph import Add, Concatenate
from tflite_export.grid import Grid
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.registry import lowers
from tflite_export.lower.requantize import in_own_units
from tflite_export.lower.values import OnGrid, Pending, Result, Value


@lowers("keras.Add")
def _add(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    if len(inputs) < 2 or len({value.shape for value in inputs}) > 1:
        shapes = ", ".join(str(value.shape) for value in inputs)
        raise ExportError(
            f"Layer '{layer.name}': adds {shapes}; TFLite's ADD is exact for tensors of one shape "
            f"only. Repeat the smaller one with UpSampling2D, or put a constant into a bias."
        )
    total, *others = (builder.on_grid(value, reader=layer.name) for value in inputs)
    for number, other in enumerate(others[:-1]):
        # TFLite adds two; all but the last of several sums must be exact.
        partial = _sum(f"{layer.name}_{number + 1}", total, other, builder)
        if partial.lossless is None:
            raise ExportError(
                f"Layer '{layer.name}': adds {len(inputs)} branches, and int8 cannot hold the sum "
                f"of the first {number + 2} exactly. Add them in pairs, with a quantized "
                f"activation after each sum."
            )
        total = partial.settle(partial.lossless)
    return _sum(layer.name, total, others[-1], builder)


@lowers("keras.Concatenate")
def _concatenate(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    rank = len(inputs[0].shape) + 1
    axis = layer.axis % rank - 1
    if axis < 0:
        raise ExportError(
            f"Layer '{layer.name}': joins along axis {layer.axis}, that of the batch. Join along "
            f"another axis."
        )
    shape = list(inputs[0].shape)
    shape[axis] = sum(value.shape[axis] for value in inputs)

    def settle(grid: Grid) -> OnGrid:
        # A quantizer behind the layer rounds every branch alike, and so can come before it.
        settled = [value.on(grid) if isinstance(value, Pending) else value for value in inputs]
        tensors = tuple(
            in_own_units(value, grid, name=f"{layer.name}_{number}", builder=builder)
            for number, value in enumerate(settled)
        )
        output = builder.tensor(layer.name, tuple(shape), grid)
        return builder.emit(Concatenate(inputs=tensors, output=output, axis=axis))

    grids = [value.lossless if isinstance(value, Pending) else value.grid for value in inputs]
    known = [grid for grid in grids if grid is not None]
    bounds = [_bounds(value) for value in inputs]
    return Pending(
        layer.name,
        tuple(shape),
        once(settle),
        lossless=common_grid(known) if len(known) == len(grids) else None,
        bounds=(min(low for low, _ in bounds), max(high for _, high in bounds)),
    )


def common_grid(grids: Sequence[Grid]) -> Grid | None:
    """The grid that holds every value of several grids, when int8 can."""
    exponent = min(grid.exponent for grid in grids)
    low = min(grid.low for grid in grids)
    high = max(grid.high for grid in grids)
    found = _spanning(exponent, low, high)
    return found and replace(found, assumed=any(grid.assumed for grid in grids))


def _sum(name: str, a: OnGrid, b: OnGrid, builder: Builder) -> Pending:
    x, y = (
        in_own_units(value, value.grid, name=f"{name}_{number}", builder=builder)
        for number, value in enumerate((a, b))
    )

    def settle(grid: Grid) -> OnGrid:
        return builder.emit(Add(inputs=(x, y), output=builder.tensor(name, x.shape, grid)))

    return Pending(
        name,
        a.shape,
        once(settle),
        lossless=_spanning(
            min(a.grid.exponent, b.grid.exponent),
            a.grid.low + b.grid.low,
            a.grid.high + b.grid.high,
        ),
        bounds=(a.grid.low + b.grid.low, a.grid.high + b.grid.high),
    )


def _bounds(value: Value) -> tuple[float, float]:
    return value.bounds if isinstance(value, Pending) else (value.grid.low, value.grid.high)


def _spanning(exponent: int, low: float, high: float) -> Grid | None:
    """The grid of a step from ``low`` to ``high``, when int8 can hold it."""
    lowest, highest = int(low * 2.0**-exponent), int(high * 2.0**-exponent)
    if highest - lowest > 255:
        return None
    zero_point = 127 - highest
    return Grid(exponent, zero_point, zero_point + lowest)
