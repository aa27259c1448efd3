"""Layers that join branches."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.graph import Add, Concatenate, MaxPool2D, Reshape, Shape
from tflite_export.grid import Grid
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.registry import lowers
from tflite_export.lower.requantize import in_own_units, negated
from tflite_export.lower.values import OnGrid, Pending, Result, Value

# TFLM's CONCATENATION takes no more.
_MOST_JOINED = 10


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
        while len(tensors) > _MOST_JOINED:
            first, tensors = tensors[:_MOST_JOINED], tensors[_MOST_JOINED:]
            part = list(shape)
            part[axis] = sum(tensor.shape[axis] for tensor in first)
            wide = builder.tensor(f"{layer.name}_first", tuple(part), grid)
            tensors = (
                builder.emit(Concatenate(inputs=first, output=wide, axis=axis)).tensor,
                *tensors,
            )
        output = builder.tensor(layer.name, tuple(shape), grid)
        return builder.emit(Concatenate(inputs=tensors, output=output, axis=axis))

    bounds = [_bounds(value) for value in inputs]
    return Pending(
        layer.name,
        tuple(shape),
        once(settle),
        lossless=_lossless(inputs),
        bounds=(min(low for low, _ in bounds), max(high for _, high in bounds)),
    )


@lowers("keras.Maximum")
def _maximum(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    return _extreme(layer, inputs, builder, turned=False)


@lowers("keras.Minimum")
def _minimum(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    return _extreme(layer, inputs, builder, turned=True)


def _extreme(layer: Any, inputs: Sequence[Value], builder: Builder, *, turned: bool) -> Pending:
    """The largest of several, as a maximum over rows; the smallest is that of the negatives.

    Rounding keeps the order, so a quantizer behind the layer can come before it.
    """
    name, shape = layer.name, inputs[0].shape
    if any(value.shape != shape for value in inputs):
        raise ExportError(
            f"Layer '{name}': compares tensors of different shapes. Repeat the smaller one with "
            f"UpSampling2D."
        )
    channels = shape[-1]
    row = (1, prod(shape) // channels, channels)

    def settle(grid: Grid) -> OnGrid:
        settled = [value.on(grid) if isinstance(value, Pending) else value for value in inputs]
        # Wide enough for every integer, so that nothing has to be clipped from above.
        mirror = Grid(grid.exponent, -1 - grid.zero_point) if turned else grid
        rows = []
        for number, value in enumerate(settled):
            own = OnGrid(in_own_units(value, grid, name=f"{name}_{number}", builder=builder))
            if turned:
                own = negated(own, mirror, name=f"{name}_turned", builder=builder)
            rows.append(_shaped(own, row, name, builder).tensor)
        wide = builder.tensor(f"{name}_rows", (len(rows), *row[1:]), mirror)
        joined = builder.emit(Concatenate(inputs=tuple(rows), output=wide, axis=0))
        window = (len(rows), 1)
        pool = MaxPool2D(
            inputs=(joined.tensor,),
            output=builder.tensor(name, row, mirror),
            pool=window,
            strides=window,
            padding="VALID",
        )
        found = builder.emit(pool)
        if turned:
            found = negated(found, grid, name=f"{name}_back", builder=builder)
        return _shaped(found, shape, name, builder)

    bounds = [_bounds(value) for value in inputs]
    return Pending(
        name,
        shape,
        once(settle),
        lossless=_lossless(inputs),
        bounds=(min(low for low, _ in bounds), max(high for _, high in bounds)),
    )


def _shaped(value: OnGrid, shape: Shape, name: str, builder: Builder) -> OnGrid:
    if value.shape == shape:
        return value
    output = builder.tensor(f"{name}_shape", shape, value.tensor.grid)
    return builder.emit(Reshape(inputs=(value.tensor,), output=output))


def _lossless(inputs: Sequence[Value]) -> Grid | None:
    """The grid that holds every value of all inputs, where there is one."""
    grids = [value.lossless if isinstance(value, Pending) else value.grid for value in inputs]
    known = [grid for grid in grids if grid is not None]
    return common_grid(known) if len(known) == len(grids) else None


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
