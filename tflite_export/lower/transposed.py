"""Transposed convolutions: a convolution of all phases of the output, woven together.

With stride s, outputs ``s b + p`` of one phase p are an ordinary convolution of the input by every
s-th row and column of the kernel. One CONV_2D computes all phases as channels, at each block b; the
phases then move to their places, and the border that the padding leaves out is cut off. That needs
no TRANSPOSE_CONV, whose kernels round in ways of their own.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.graph import Crop, Operator, Pad, Pair, Reshape, Tensor, Transpose, pair
from tflite_export.grid import FloatArray, Grid
from tflite_export.lower.activation import apply_activation
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.keras_weights import bias_of, kernel_of
from tflite_export.lower.linear import check_channels_last
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import OnGrid, PendingLinear, Result, Value
from tflite_export.lower.weighted import Geometry, conv2d, sum_bounds


@lowers("keras.Conv2DTranspose", "qkeras.QConv2DTranspose")
def _transposed(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    check_channels_last(layer)
    if pair(layer.dilation_rate) != (1, 1) or layer.output_padding is not None:
        raise ExportError(
            f"Layer '{layer.name}': a transposed convolution with dilation_rate or output_padding "
            f"is not exported. Leave them out, and pad or crop behind it."
        )
    source = builder.on_grid(inputs[0], reader=layer.name)
    kernel = kernel_of(layer).transpose(0, 1, 3, 2)
    bias = bias_of(layer, kernel.shape[3])
    same = layer.padding == "same"
    strides = pair(layer.strides)
    waiting = transposed_conv2d(layer.name, source, kernel, bias, strides, same, builder)
    return apply_activation(waiting, layer.activation, name=layer.name, builder=builder)


def transposed_conv2d(
    name: str,
    source: OnGrid,
    kernel: FloatArray,
    bias: FloatArray,
    strides: Pair,
    same: bool,
    builder: Builder,
) -> PendingLinear:
    """A transposed convolution; kernel HWIO; ``same``: the output is the input times the stride."""
    height, width, _ = source.shape
    taps = [-(-k // s) for k, s in zip(kernel.shape[:2], strides, strict=True)]
    sizes, cuts = [], []
    along = zip((height, width), kernel.shape[:2], strides, taps, strict=True)
    for size, window, stride, tap in along:
        before = max(window - stride, 0) // 2 if same else 0
        kept = size * stride if same else (size - 1) * stride + max(window, stride)
        sizes.append(kept)
        cuts.append((before, (size + tap - 1) * stride - before - kept))
    channels, every = len(bias), np.tile(bias, strides[0] * strides[1])

    def settle(grid: Grid) -> OnGrid:
        edges = [(tap - 1, tap - 1) for tap in taps]
        padded = _padded(source, (*edges, (0, 0)), name, builder)
        phases = _phases(kernel, strides, taps)
        y = conv2d(name, padded, phases, every, Geometry(), builder).settle(grid)
        y = _woven(y, strides, channels, name, builder)
        if not any(map(sum, cuts)):
            return y
        crops = (*cuts, (0, 0))

        def crop(x: Tensor, to: Tensor) -> Operator:
            return Crop(inputs=(x,), output=to, crops=crops)

        return _moved(y, (*sizes, channels), crop, f"{name}_cut", builder)

    def rebuild(new_kernel: FloatArray, new_bias: FloatArray) -> PendingLinear:
        return transposed_conv2d(name, source, new_kernel, new_bias, strides, same, builder)

    return PendingLinear(
        name=name,
        shape=(*sizes, channels),
        settle=once(settle),
        bounds=sum_bounds(_phases(kernel, strides, taps), every, source.grid),
        kernel=kernel,
        bias=bias,
        rebuild=rebuild,
    )


def _phases(kernel: FloatArray, strides: Pair, taps: Sequence[int]) -> FloatArray:
    """The kernel of all phases, (taps, taps, inputs, phases * outputs): every s-th tap, flipped."""
    rows, columns = (t * s for t, s in zip(taps, strides, strict=True))
    inputs, outputs = kernel.shape[2:]
    whole = np.zeros((rows, columns, inputs, outputs))
    whole[: kernel.shape[0], : kernel.shape[1]] = kernel
    split = whole.reshape(taps[0], strides[0], taps[1], strides[1], inputs, outputs)
    flipped = split[::-1, :, ::-1]
    return np.ascontiguousarray(flipped.transpose(0, 2, 4, 1, 3, 5)).reshape(*taps, inputs, -1)


def _woven(y: OnGrid, strides: Pair, channels: int, name: str, builder: Builder) -> OnGrid:
    """(rows, columns, phases * channels) -> (rows * s, columns * s, channels)."""
    rows, columns, _ = y.shape
    if strides == (1, 1):
        return y

    def reshape(x: Tensor, to: Tensor) -> Operator:
        return Reshape(inputs=(x,), output=to)

    def transpose(x: Tensor, to: Tensor) -> Operator:
        return Transpose(inputs=(x,), output=to, axes=(0, 2, 1, 3))

    line = strides[1] * channels
    y = _moved(y, (rows, columns, strides[0], line), reshape, f"{name}_phases", builder)
    y = _moved(y, (rows, strides[0], columns, line), transpose, f"{name}_woven", builder)
    shape = (rows * strides[0], columns * strides[1], channels)
    return _moved(y, shape, reshape, f"{name}_picture", builder)


def _padded(source: OnGrid, edges: Any, name: str, builder: Builder) -> OnGrid:
    if not any(map(sum, edges)):
        return source
    shape = tuple(n + sum(edge) for n, edge in zip(source.shape, edges, strict=True))

    def pad(x: Tensor, to: Tensor) -> Operator:
        return Pad(inputs=(x,), output=to, paddings=edges)

    return _moved(source, shape, pad, f"{name}_edges", builder)


def _moved(x: OnGrid, shape: tuple[int, ...], make: Any, name: str, builder: Builder) -> OnGrid:
    output = builder.tensor(name, shape, x.tensor.grid)
    return replace(builder.emit(make(x.tensor, output)), exponent=x.exponent)
