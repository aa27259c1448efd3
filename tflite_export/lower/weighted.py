"""Weighted sums that wait for the grid of their output: real kernels in, operators out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.geometry import same_padding
from tflite_export.graph import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Linear,
    Pair,
    Shape,
    Tensor,
)
from tflite_export.grid import FloatArray, Grid, IntArray
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.values import OnGrid, PendingLinear
from tflite_export.lower.weights import integer_weights

MakeOperator = Callable[[Tensor, Tensor, IntArray, IntArray, IntArray], Linear]


@dataclass(frozen=True)
class Geometry:
    """How a window moves over a picture."""

    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: str = "VALID"

    def convolved(self, shape: Shape, window: tuple[int, ...], channels: int) -> Shape:
        """The output's shape."""
        sizes = []
        for size, kernel, stride, dilation in zip(
            shape[:2], window, self.strides, self.dilation, strict=True
        ):
            same = self.padding == "SAME"
            padded = size + sum(same_padding(size, kernel, stride, dilation)) * same
            sizes.append((padded - (kernel - 1) * dilation - 1) // stride + 1)
        return (*sizes, channels)


def conv2d(
    name: str,
    source: OnGrid,
    kernel: FloatArray,
    bias: FloatArray,
    geometry: Geometry,
    builder: Builder,
) -> PendingLinear:
    """A convolution; kernel HWIO."""

    def make(x: Tensor, y: Tensor, w: IntArray, e: IntArray, b: IntArray) -> Linear:
        return Conv2D(
            inputs=(x,),
            output=y,
            weights=w.transpose(3, 0, 1, 2),
            weight_exponents=e,
            bias=b,
            strides=geometry.strides,
            padding=geometry.padding,
            dilation=geometry.dilation,
        )

    shape = geometry.convolved(source.shape, kernel.shape[:2], kernel.shape[3])
    return linear(name, source, shape, kernel, bias, make, builder)


def depthwise_conv2d(
    name: str,
    source: OnGrid,
    kernel: FloatArray,
    bias: FloatArray,
    geometry: Geometry,
    builder: Builder,
) -> PendingLinear:
    """A depthwise convolution; kernel HWIM."""
    height, width, channels, multiplier = kernel.shape

    def make(x: Tensor, y: Tensor, w: IntArray, e: IntArray, b: IntArray) -> Linear:
        return DepthwiseConv2D(
            inputs=(x,),
            output=y,
            weights=w[None],
            weight_exponents=e,
            bias=b,
            strides=geometry.strides,
            padding=geometry.padding,
            dilation=geometry.dilation,
        )

    shape = geometry.convolved(source.shape, (height, width), channels * multiplier)
    flat = kernel.reshape(height, width, channels * multiplier)
    return linear(name, source, shape, flat, bias, make, builder)


def dense(
    name: str, source: OnGrid, kernel: FloatArray, bias: FloatArray, builder: Builder
) -> PendingLinear:
    """A dense layer on the last axis; kernel IO."""

    def make(x: Tensor, y: Tensor, w: IntArray, e: IntArray, b: IntArray) -> Linear:
        return FullyConnected(inputs=(x,), output=y, weights=w.T, weight_exponents=e, bias=b)

    return linear(name, source, (*source.shape[:-1], kernel.shape[1]), kernel, bias, make, builder)


def linear(
    name: str,
    source: OnGrid,
    shape: Shape,
    kernel: FloatArray,
    bias: FloatArray,
    make: MakeOperator,
    builder: Builder,
) -> PendingLinear:
    """Any weighted sum of one tensor.

    Args:
        name: the layer's.
        source: the input.
        shape: the output's.
        kernel: real weights, output channels last.
        bias: real biases, shape (channels,).
        make: ``(input, output, weights, exponents, bias) -> operator``.
        builder: where the operator goes.
    """
    if not (np.all(np.isfinite(kernel)) and np.all(np.isfinite(bias))):
        raise ExportError(
            f"Layer '{name}': its weights or biases hold NaN or infinity, no finite numbers. Train "
            f"it again from finite weights."
        )

    def settle(grid: Grid) -> OnGrid:
        found = integer_weights(
            kernel,
            bias,
            source_exponent=source.grid.exponent,
            grid=grid,
            reach=source.grid.reach,
        )
        for problem in found.problems:
            builder.inexact(f"Layer '{name}': {problem}")
        exponents = found.exponents + source.exponent
        output = builder.tensor(name, shape, grid)
        return builder.emit(make(source.tensor, output, found.weights, exponents, found.bias))

    def rebuild(new_kernel: FloatArray, new_bias: FloatArray) -> PendingLinear:
        return linear(name, source, shape, new_kernel, new_bias, make, builder)

    return PendingLinear(
        name=name,
        shape=shape,
        settle=once(settle),
        bounds=sum_bounds(kernel, bias, source.grid),
        kernel=kernel,
        bias=bias,
        rebuild=rebuild,
    )


def sum_bounds(kernel: FloatArray, bias: FloatArray, grid: Grid) -> tuple[float, float]:
    """The smallest and largest result that any input can give."""
    flat = kernel.reshape(-1, kernel.shape[-1])
    ends = np.stack([flat * grid.low, flat * grid.high])
    low = ends.min(axis=0).sum(axis=0) + bias
    high = ends.max(axis=0).sum(axis=0) + bias
    # Padding reads 0, so a window can also see fewer terms.
    return float(min(low.min(), bias.min())), float(max(high.max(), bias.max()))
