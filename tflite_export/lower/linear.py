"""Convolutions and dense layers of Keras and QKeras."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.graph import pair
from tflite_export.grid import FloatArray
from tflite_export.lower.activation import apply_activation
from tflite_export.lower.builder import Builder
from tflite_export.lower.keras_weights import bias_of, kernel_of, quantized
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import Result, Value
from tflite_export.lower.weighted import Geometry, conv2d, dense, depthwise_conv2d


@lowers("keras.Conv2D", "qkeras.QConv2D")
def _conv2d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    kernel = kernel_of(layer)
    return convolution(layer, inputs[0], builder, kernel, bias_of(layer, kernel.shape[-1]))


@lowers("keras.DepthwiseConv2D", "qkeras.QDepthwiseConv2D")
def _depthwise_conv2d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    kernel = kernel_of(layer)
    bias = bias_of(layer, kernel.shape[-2] * kernel.shape[-1])
    return depthwise_convolution(layer, inputs[0], builder, kernel, bias)


@lowers("keras.Dense", "qkeras.QDense")
def _dense(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    kernel = kernel_of(layer)
    return fully_connected(layer, inputs[0], builder, kernel, bias_of(layer, kernel.shape[-1]))


@lowers("keras.SeparableConv2D", "qkeras.QSeparableConv2D")
def _separable_conv2d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    depthwise = quantized(layer, "depthwise", layer.depthwise_kernel)
    pointwise = quantized(layer, "pointwise", layer.pointwise_kernel)
    kernel = merged_separable(depthwise, pointwise[0, 0])
    return convolution(layer, inputs[0], builder, kernel, bias_of(layer, kernel.shape[-1]))


def convolution(
    layer: Any, value: Value, builder: Builder, kernel: FloatArray, bias: FloatArray
) -> Result:
    """A convolution with the geometry and activation of ``layer``; kernel HWIO, real values."""
    source = builder.on_grid(value, reader=layer.name)
    kernel = ungrouped(kernel, getattr(layer, "groups", 1))
    waiting = conv2d(layer.name, source, kernel, bias, geometry_of(layer), builder)
    return apply_activation(waiting, layer.activation, name=layer.name, builder=builder)


def depthwise_convolution(
    layer: Any, value: Value, builder: Builder, kernel: FloatArray, bias: FloatArray
) -> Result:
    """A depthwise convolution with the geometry and activation of ``layer``; kernel HWIM."""
    source = builder.on_grid(value, reader=layer.name)
    waiting = depthwise_conv2d(layer.name, source, kernel, bias, geometry_of(layer), builder)
    return apply_activation(waiting, layer.activation, name=layer.name, builder=builder)


def fully_connected(
    layer: Any, value: Value, builder: Builder, kernel: FloatArray, bias: FloatArray
) -> Result:
    """A dense layer with the activation of ``layer``; kernel IO, real values."""
    source = builder.on_grid(value, reader=layer.name)
    waiting = dense(layer.name, source, kernel, bias, builder)
    return apply_activation(waiting, layer.activation, name=layer.name, builder=builder)


def ungrouped(kernel: FloatArray, groups: int) -> FloatArray:
    """The kernel of a grouped convolution as that of a whole one, zeros between the groups.

    TFLM's and some NPUs' kernels know no groups; a zero weight adds nothing anywhere.

    Args:
        kernel: (..., inputs / groups, outputs).
        groups: how many.
    """
    if groups == 1:
        return kernel
    *window, inputs, outputs = kernel.shape
    whole = np.zeros((*window, groups, inputs, groups, outputs // groups))
    split = kernel.reshape(*window, inputs, groups, outputs // groups)
    for group in range(groups):
        whole[..., group, :, group, :] = split[..., group, :]
    return whole.reshape(*window, groups * inputs, outputs)


def merged_separable(depthwise: FloatArray, pointwise: FloatArray) -> FloatArray:
    """The one kernel that a separable convolution amounts to, HWIO.

    Nothing rounds between its two halves, so int8 cannot hold what is in between; the product of
    both kernels is exact, and fits when their bits add up to 6 or so.

    Args:
        depthwise: HWIM.
        pointwise: (inputs * multiplier, outputs).
    """
    _, _, inputs, multiplier = depthwise.shape
    per_input = pointwise.reshape(inputs, multiplier, -1)
    return np.asarray(np.einsum("hwim,imo->hwio", depthwise, per_input), np.float64)


def geometry_of(layer: Any) -> Geometry:
    """The geometry of a two-dimensional Keras convolution."""
    check_channels_last(layer)
    return Geometry(pair(layer.strides), pair(layer.dilation_rate), layer.padding.upper())


def check_channels_last(layer: Any) -> None:
    """Refuse a layer that keeps its channels first, where another package calls this directly."""
    if layer.data_format != "channels_last":
        raise ExportError(
            f"Layer '{layer.name}': data_format='{layer.data_format}'. TFLite keeps channels last."
        )
