"""NumPy executor of an integer graph: the specification of what every device must compute.

Everything is int64. Sums of products go through float64 matrix products, which are exact here:
accumulators stay below 2**31 (the graph checks that), far under the 2**53 that float64 holds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Pair,
    Reshape,
    ResizeNearest,
    Table,
    Tensor,
    Transpose,
)
from tflite_export.grid import INT8_MIN, IntArray, round_shift


def run(
    graph: IntegerGraph,
    *inputs: IntArray,
    after: Callable[[Tensor, IntArray], IntArray] | None = None,
) -> tuple[IntArray, ...]:
    """Run a batch through the graph.

    Args:
        graph: what to compute.
        *inputs: one int array per graph input, shape (batch, ...), stored integers ``q``.
        after: what becomes of a tensor that an operator has written, such as a fault in memory.

    Returns:
        One int64 array per graph output, shape (batch, ...).

    Raises:
        ValueError: an input's shape or range does not fit its tensor.
    """
    values: dict[Tensor, IntArray] = {}
    if len(inputs) != len(graph.inputs):
        raise ValueError(f"{graph.name} has {len(graph.inputs)} inputs. Received: {len(inputs)}")
    for tensor, value in zip(graph.inputs, inputs, strict=True):
        values[tensor] = _checked(tensor, value)
    for operator in graph.operators:
        read = (values[tensor] for tensor in operator.inputs)
        if isinstance(operator, Linear):
            value = _linear(operator, *read)
        else:
            value = _EXECUTORS[type(operator)](operator, *read)
        values[operator.output] = after(operator.output, value) if after else value
    return tuple(values[tensor] for tensor in graph.outputs)


def accumulate(operator: Linear, q: IntArray) -> IntArray:
    """The accumulators of a linear operator, ``sum((q - z_in) * weights) + bias``, int64."""
    x = q - operator.source.grid.zero_point
    return _ACCUMULATORS[type(operator)](operator, x) + operator.bias


def _checked(tensor: Tensor, value: IntArray) -> IntArray:
    value = np.asarray(value)
    if value.shape[1:] != tensor.shape or not np.issubdtype(value.dtype, np.integer):
        raise ValueError(
            f"Input '{tensor.name}' needs integers of shape (batch, "
            f"{', '.join(map(str, tensor.shape))}). Received: {value.dtype} {value.shape}"
        )
    value = value.astype(np.int64)
    if value.size and (value.min() < tensor.grid.minimum or value.max() > tensor.grid.maximum):
        raise ValueError(
            f"Input '{tensor.name}' holds {tensor.grid.minimum} to {tensor.grid.maximum}. "
            f"Received: {value.min()} to {value.max()}"
        )
    return value


def _exact_matmul(a: IntArray, b: IntArray) -> IntArray:
    return np.asarray(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """TensorFlow's SAME: the smaller half before, the larger after."""
    reach = (window - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _windows(
    x: IntArray, *, window: Pair, strides: Pair, dilation: Pair, padding: str, fill: int
) -> IntArray:
    """(N, H, W, C) -> (N, OH, OW, C, KH, KW), a view where nothing is padded."""
    if padding == "SAME":
        rows = same_padding(x.shape[1], window[0], strides[0], dilation[0])
        columns = same_padding(x.shape[2], window[1], strides[1], dilation[1])
        x = np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=fill)
    reach = tuple((w - 1) * d + 1 for w, d in zip(window, dilation, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    return views[:, :: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]


def _convolve(operator: Conv2D, x: IntArray) -> IntArray:
    o, kh, kw, i = operator.weights.shape
    views = _windows(
        x,
        window=(kh, kw),
        strides=operator.strides,
        dilation=operator.dilation,
        padding=operator.padding,
        fill=0,
    )
    columns = views.transpose(0, 1, 2, 4, 5, 3).reshape(*views.shape[:3], kh * kw * i)
    return _exact_matmul(columns, operator.weights.reshape(o, -1).T)


def _convolve_depthwise(operator: DepthwiseConv2D, x: IntArray) -> IntArray:
    _, kh, kw, channels = operator.weights.shape
    views = _windows(
        np.repeat(x, operator.multiplier, axis=3),
        window=(kh, kw),
        strides=operator.strides,
        dilation=operator.dilation,
        padding=operator.padding,
        fill=0,
    )
    acc = np.zeros((*views.shape[:3], channels), np.int64)
    for row in range(kh):
        for column in range(kw):
            acc += views[..., row, column] * operator.weights[0, row, column]
    return acc


def _connect(operator: FullyConnected, x: IntArray) -> IntArray:
    # Kernels flatten what has more axes than the output.
    rows = x.reshape(len(x), *operator.output.shape[:-1], -1)
    return _exact_matmul(rows, operator.weights.T)


def _linear(operator: Linear, q: IntArray) -> IntArray:
    grid = operator.output.grid
    return grid.clamp(grid.zero_point + round_shift(accumulate(operator, q), operator.shift))


def _add(operator: Add, a: IntArray, b: IntArray) -> IntArray:
    grid_a, grid_b = (t.grid for t in operator.inputs)
    grid = operator.output.grid
    finest = min(grid_a.exponent, grid_b.exponent, grid.exponent)
    total = ((a - grid_a.zero_point) << (grid_a.exponent - finest)) + (
        (b - grid_b.zero_point) << (grid_b.exponent - finest)
    )
    return grid.clamp(grid.zero_point + round_shift(total, grid.exponent - finest))


def _max_pool(operator: MaxPool2D, q: IntArray) -> IntArray:
    views = _windows(
        q,
        window=operator.pool,
        strides=operator.strides,
        dilation=(1, 1),
        padding=operator.padding,
        fill=INT8_MIN,
    )
    return np.asarray(views.max(axis=(-2, -1)))


def _maximum(operator: Maximum, q: IntArray) -> IntArray:
    return np.maximum(q, operator.bound)


def _pad(operator: Pad, q: IntArray) -> IntArray:
    zero = operator.output.grid.zero_point
    return np.pad(q, ((0, 0), *operator.paddings), constant_values=zero)


def _crop(operator: Crop, q: IntArray) -> IntArray:
    sizes = operator.inputs[0].shape
    kept = [slice(a, size - b) for (a, b), size in zip(operator.crops, sizes, strict=True)]
    return q[(slice(None), *kept)]


def _transpose(operator: Transpose, q: IntArray) -> IntArray:
    return q.transpose(0, *(axis + 1 for axis in operator.axes))


def _resize_nearest(operator: ResizeNearest, q: IntArray) -> IntArray:
    rows, columns = operator.factors
    return q.repeat(rows, axis=1).repeat(columns, axis=2)


def _concatenate(operator: Concatenate, *arrays: IntArray) -> IntArray:
    return np.concatenate(arrays, axis=operator.axis + 1)


def _table(operator: Table, q: IntArray) -> IntArray:
    channels = len(operator.entries)
    rows = np.arange(q.shape[-1]) if channels > 1 else 0
    return np.asarray(operator.entries[rows, q - INT8_MIN])


def _reshape(operator: Reshape, q: IntArray) -> IntArray:
    return q.reshape(len(q), *operator.output.shape)


_ACCUMULATORS: dict[type[Linear], Callable[[Any, IntArray], IntArray]] = {
    Conv2D: _convolve,
    DepthwiseConv2D: _convolve_depthwise,
    FullyConnected: _connect,
}
_EXECUTORS: dict[type[Operator], Callable[..., IntArray]] = {
    Add: _add,
    MaxPool2D: _max_pool,
    Maximum: _maximum,
    Pad: _pad,
    Reshape: _reshape,
    Crop: _crop,
    Transpose: _transpose,
    ResizeNearest: _resize_nearest,
    Concatenate: _concatenate,
    Table: _table,
}
