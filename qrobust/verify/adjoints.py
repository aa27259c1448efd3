"""Operators backwards: coefficients of an output become coefficients of its inputs.

A coefficient belongs to ``q - zero_point``: then weighted sums have no constant but their bias,
padding adds nothing, and operators that move integers move coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from tflite_export.geometry import same_padding
from tflite_export.graph import (
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    Linear,
    MaxPool2D,
    Operator,
    Pad,
    Pair,
    Reshape,
    ResizeNearest,
    Transpose,
)
from tflite_export.grid import FloatArray, IntArray


def linear_adjoint(operator: Linear, rows: FloatArray) -> FloatArray:
    """Coefficients of accumulators -> coefficients of the input.

    Args:
        operator: a weighted sum.
        rows: float64[n, *output shape].

    Returns:
        float64[n, *input shape], every number a sum of products in any order.
    """
    return _ADJOINTS[type(operator)](operator, rows)


def _dense(operator: Linear, rows: FloatArray) -> FloatArray:
    return rows @ operator.weights.astype(np.float64)


def _convolution(operator: Conv2D, rows: FloatArray) -> FloatArray:
    o, kh, kw, i = operator.weights.shape
    spread = rows @ operator.weights.reshape(o, -1).astype(np.float64)
    return _gather(operator, spread.reshape(*rows.shape[:3], kh, kw, i), (kh, kw))


def _depthwise(operator: DepthwiseConv2D, rows: FloatArray) -> FloatArray:
    _, kh, kw, channels = operator.weights.shape
    spread = rows[:, :, :, None, None, :] * operator.weights[0].astype(np.float64)
    grouped = spread.reshape(*spread.shape[:5], channels // operator.multiplier, -1).sum(axis=-1)
    return _gather(operator, grouped, (kh, kw))


def _gather(operator: Conv2D | DepthwiseConv2D, spread: FloatArray, window: Pair) -> FloatArray:
    """Add (n, OH, OW, KH, KW, I) up at the input places that were read."""
    height, width, channels = operator.source.shape
    n, rows, columns = spread.shape[:3]
    (top, bottom), (left, right) = _padding(operator, window)
    total = np.zeros((n, height + top + bottom, width + left + right, channels))
    (sy, sx), (dy, dx) = operator.strides, operator.dilation
    for y in range(window[0]):
        for x in range(window[1]):
            place = (
                slice(y * dy, y * dy + (rows - 1) * sy + 1, sy),
                slice(x * dx, x * dx + (columns - 1) * sx + 1, sx),
            )
            total[:, place[0], place[1]] += spread[:, :, :, y, x]
    return total[:, top : top + height, left : left + width]


def _padding(operator: Any, window: Pair) -> tuple[Pair, Pair]:
    if operator.padding != "SAME":
        return (0, 0), (0, 0)
    height, width = operator.inputs[0].shape[:2]
    dilation = getattr(operator, "dilation", (1, 1))
    return (
        same_padding(height, window[0], operator.strides[0], dilation[0]),
        same_padding(width, window[1], operator.strides[1], dilation[1]),
    )


_ADJOINTS: dict[type[Linear], Callable[[Any, FloatArray], FloatArray]] = {
    Conv2D: _convolution,
    DepthwiseConv2D: _depthwise,
    FullyConnected: _dense,
}


@lru_cache(maxsize=512)
def sources(operator: Operator) -> IntArray:
    """Where an operator that moves integers, or takes the largest of some, reads them.

    Returns:
        int64[output size, candidates], flat places in the inputs laid end to end; -1 is padding.

    Raises:
        CertifyError: another operator.
    """
    start, places = 0, []
    for tensor in operator.inputs:
        places.append(np.arange(start, start + tensor.size).reshape(tensor.shape))
        start += tensor.size
    if type(operator) not in _MOVES:
        raise CertifyError(
            f"'{operator.output.name}' is a {type(operator).__name__}: no linear bounds for it"
        )
    return np.ascontiguousarray(_MOVES[type(operator)](operator, places)).reshape(
        operator.output.size, -1
    )


def _pool(operator: MaxPool2D, places: list[IntArray]) -> IntArray:
    rows, columns = _padding(operator, operator.pool)
    padded = np.pad(places[0], (rows, columns, (0, 0)), constant_values=-1)
    views = np.lib.stride_tricks.sliding_window_view(padded, operator.pool, axis=(0, 1))
    return views[:: operator.strides[0], :: operator.strides[1]]


def _crop(operator: Crop, places: list[IntArray]) -> IntArray:
    sizes = operator.inputs[0].shape
    kept = [slice(a, size - b) for (a, b), size in zip(operator.crops, sizes, strict=True)]
    return places[0][tuple(kept)]


_MOVES: dict[type[Operator], Callable[[Any, list[IntArray]], IntArray]] = {
    MaxPool2D: _pool,
    Crop: _crop,
    Pad: lambda o, p: np.pad(p[0], o.paddings, constant_values=-1),
    Reshape: lambda o, p: p[0],
    Transpose: lambda o, p: p[0].transpose(o.axes),
    ResizeNearest: lambda o, p: p[0].repeat(o.factors[0], axis=0).repeat(o.factors[1], axis=1),
    Concatenate: lambda o, p: np.concatenate(p, axis=o.axis),
}
