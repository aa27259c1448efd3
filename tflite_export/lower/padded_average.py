"""Averages with padding: windows at the border average fewer values.

The picture is cut into the parts whose windows are equally full, at most three along each axis;
each part is a depthwise convolution of its own weights, and the parts are joined again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflite_export.geometry import same_padding
from tflite_export.graph import Concatenate, Crop, Operator, Pair, Tensor
from tflite_export.grid import Grid
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.values import OnGrid, Pending, PendingLinear
from tflite_export.lower.weighted import Geometry, depthwise_conv2d


@dataclass(frozen=True)
class Part:
    """Places along one axis whose windows are equally full.

    Attributes:
        cut: elements of the input before and after those that the windows see.
        window: how many each of them sees.
    """

    cut: Pair
    window: int


def parts(size: int, window: int, stride: int) -> list[Part]:
    """The parts of an axis under SAME padding, in order."""
    before, after = same_padding(size, window, stride)
    count = (size + before + after - window) // stride + 1
    seen = [
        (max(i * stride - before, 0), min(i * stride - before + window, size)) for i in range(count)
    ]
    found: list[list[Pair]] = []
    for start, stop in seen:
        whole = stop - start == window
        if found and whole and found[-1][-1][1] - found[-1][-1][0] == window:
            found[-1].append((start, stop))
        else:
            found.append([(start, stop)])
    return [Part((run[0][0], size - run[-1][1]), run[0][1] - run[0][0]) for run in found]


def padded_average(
    source: OnGrid,
    builder: Builder,
    *,
    name: str,
    pool: Pair,
    strides: Pair,
    share: Callable[[int], float],
) -> Pending:
    """``share(count) * sum`` over every window, count the values in the picture that it sees."""
    height, width, channels = source.shape
    rows, columns = (
        parts(size, window, stride)
        for size, window, stride in zip((height, width), pool, strides, strict=True)
    )
    zero = np.zeros(channels)

    def piece(row: Part, column: Part) -> PendingLinear:
        seen = _cut(source, (row.cut, column.cut, (0, 0)), name, builder)
        window = (row.window, column.window)
        kernel = np.full((*window, channels, 1), share(window[0] * window[1]))
        return depthwise_conv2d(name, seen, kernel, zero, Geometry(strides=strides), builder)

    waiting = [[piece(row, column) for column in columns] for row in rows]
    shape = (
        sum(line[0].shape[0] for line in waiting),
        sum(cell.shape[1] for cell in waiting[0]),
        channels,
    )

    def settle(grid: Grid) -> OnGrid:
        lines = [_joined([cell.on(grid) for cell in line], 1, name, builder) for line in waiting]
        return _joined(lines, 0, name, builder)

    cells = [cell for line in waiting for cell in line]
    bounds = (min(c.bounds[0] for c in cells), max(c.bounds[1] for c in cells))
    return Pending(name, shape, once(settle), bounds=bounds)


def _cut(source: OnGrid, crops: tuple[Pair, ...], name: str, builder: Builder) -> OnGrid:
    if not any(map(sum, crops)):
        return source
    shape = tuple(n - sum(crop) for n, crop in zip(source.shape, crops, strict=True))
    output = builder.tensor(f"{name}_part", shape, source.tensor.grid)
    cropped = Crop(inputs=(source.tensor,), output=output, crops=crops)
    return OnGrid(builder.emit(cropped).tensor, source.exponent)


def _joined(values: list[OnGrid], axis: int, name: str, builder: Builder) -> OnGrid:
    if len(values) == 1:
        return values[0]
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    tensors: tuple[Tensor, ...] = tuple(value.tensor for value in values)
    output = builder.tensor(f"{name}_joined", tuple(shape), tensors[0].grid)
    joined: Operator = Concatenate(inputs=tensors, output=output, axis=axis)
    return builder.emit(joined)
