"""Convolutions and dense layers, with batch norm folded into them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.graph import Conv2D, DepthwiseConv2D, FullyConnected, Linear, Shape, Tensor, pair
from tflite_export.grid import FloatArray, Grid, IntArray
from tflite_export.lower.activation import apply_activation
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import OnGrid, PendingLinear, Result, Value
from tflite_export.lower.weights import integer_weights
from tflite_export.reference import same_padding

MakeOperator = Callable[[Tensor, Tensor, IntArray, IntArray, IntArray], Linear]


@lowers("keras.Conv2D", "qkeras.QConv2D")
def _conv2d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    value = conv2d(layer, inputs[0], builder, kernel=quantized_kernel(layer), bias=real_bias(layer))
    return apply_activation(value, layer.activation, name=layer.name, builder=builder)


@lowers("keras.DepthwiseConv2D", "qkeras.QDepthwiseConv2D")
def _depthwise_conv2d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    kernel = quantized_kernel(layer)
    value = depthwise_conv2d(layer, inputs[0], builder, kernel=kernel, bias=real_bias(layer))
    return apply_activation(value, layer.activation, name=layer.name, builder=builder)


@lowers("keras.Dense", "qkeras.QDense")
def _dense(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    value = dense(layer, inputs[0], builder, kernel=quantized_kernel(layer), bias=real_bias(layer))
    return apply_activation(value, layer.activation, name=layer.name, builder=builder)


@lowers("keras.BatchNormalization", "qkeras.QBatchNormalization")
def _batch_normalization(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    value = inputs[0]
    if not isinstance(value, PendingLinear) or value.relu:
        raise ExportError(
            f"Layer '{layer.name}': a batch norm can only be folded into the convolution or dense "
            f"layer right before it."
        )
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, len(value.shape)):
        raise ExportError(
            f"Layer '{layer.name}': normalizes axis {layer.axis}; channels are the last."
        )
    variance = np.asarray(layer.moving_variance, np.float64)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * np.asarray(layer.gamma, np.float64)
    offset = -np.asarray(layer.moving_mean, np.float64) * scale
    if layer.center:
        offset = offset + np.asarray(layer.beta, np.float64)
    if not np.all(np.frexp(scale)[0] == 0.5):
        builder.inexact(
            f"Layer '{layer.name}': folding it moves the weights of '{value.name}' off their grid. "
            f"Train with folded batch norm (qrobust.quantize does)"
        )
    return value.rebuild(value.kernel * scale, value.bias * scale + offset)


def conv2d(
    layer: Any, value: Value, builder: Builder, *, kernel: FloatArray, bias: FloatArray
) -> PendingLinear:
    """A convolution with the geometry of ``layer``; kernel HWIO, real values."""
    _check_layout(layer)
    source = builder.on_grid(value, reader=layer.name)
    if getattr(layer, "groups", 1) != 1:
        raise ExportError(f"Layer '{layer.name}': grouped convolutions are not exported.")
    geometry = _geometry(layer)

    def make(x: Tensor, y: Tensor, w: IntArray, e: IntArray, b: IntArray) -> Linear:
        ohwi = w.transpose(3, 0, 1, 2)
        return Conv2D(inputs=(x,), output=y, weights=ohwi, weight_exponents=e, bias=b, **geometry)

    shape = _convolved(source.shape, kernel.shape[:2], geometry, kernel.shape[3])
    return linear(layer.name, source, shape, kernel, bias, make, builder)


def depthwise_conv2d(
    layer: Any, value: Value, builder: Builder, *, kernel: FloatArray, bias: FloatArray
) -> PendingLinear:
    """A depthwise convolution with the geometry of ``layer``; kernel HWIM, real values."""
    _check_layout(layer)
    source = builder.on_grid(value, reader=layer.name)
    geometry = _geometry(layer)
    height, width, channels, multiplier = kernel.shape

    def make(x: Tensor, y: Tensor, w: IntArray, e: IntArray, b: IntArray) -> Linear:
        return DepthwiseConv2D(
            inputs=(x,), output=y, weights=w[None], weight_exponents=e, bias=b, **geometry
        )

    shape = _convolved(source.shape, (height, width), geometry, channels * multiplier)
    flat = kernel.reshape(height, width, channels * multiplier)
    return linear(layer.name, source, shape, flat, bias, make, builder)


def dense(
    layer: Any, value: Value, builder: Builder, *, kernel: FloatArray, bias: FloatArray
) -> PendingLinear:
    """A dense layer on the last axis; kernel IO, real values."""
    source = builder.on_grid(value, reader=layer.name)

    def make(x: Tensor, y: Tensor, w: IntArray, e: IntArray, b: IntArray) -> Linear:
        return FullyConnected(inputs=(x,), output=y, weights=w.T, weight_exponents=e, bias=b)

    shape = (*source.shape[:-1], kernel.shape[1])
    return linear(layer.name, source, shape, kernel, bias, make, builder)


def linear(
    name: str,
    source: OnGrid,
    shape: Shape,
    kernel: FloatArray,
    bias: FloatArray,
    make: MakeOperator,
    builder: Builder,
) -> PendingLinear:
    """A weighted sum that waits for the grid of its output.

    Args:
        name: the layer's.
        source: the input.
        shape: the output's.
        kernel: real weights, output channels last.
        bias: real biases, shape (channels,).
        make: ``(input, output, weights, exponents, bias) -> operator``.
        builder: where the operator goes.
    """

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
        kernel=kernel,
        bias=bias,
        rebuild=rebuild,
    )


def quantized_kernel(layer: Any) -> FloatArray:
    """The kernel that the layer multiplies by in inference, in its own layout, float64."""
    kernel = _kernel(layer)
    for attribute in ("kernel_quantizer_internal", "depthwise_quantizer_internal"):
        quantizer = getattr(layer, attribute, None)
        if quantizer is not None:
            kernel = quantizer(kernel)
    mask = getattr(layer, "_mask", None)
    return real(kernel) if mask is None else real(kernel) * real(mask)


def real_bias(layer: Any) -> FloatArray:
    """The bias that the layer adds in inference, zeros where it has none, float64."""
    if not layer.use_bias:
        shape = _kernel(layer).shape
        depthwise = "Depthwise" in type(layer).__name__
        return np.zeros(shape[-1] * shape[-2] if depthwise else shape[-1])
    quantizer = getattr(layer, "bias_quantizer_internal", None)
    return real(layer.bias if quantizer is None else quantizer(layer.bias))


def _kernel(layer: Any) -> Any:
    # Keras calls a depthwise kernel ``kernel``, QKeras ``depthwise_kernel``.
    return layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel


def real(value: Any) -> FloatArray:
    """A Keras variable or backend tensor as float64."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(value), np.float64)


def _check_layout(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise ExportError(
            f"Layer '{layer.name}': data_format='{layer.data_format}'. TFLite keeps channels last."
        )


def _geometry(layer: Any) -> dict[str, Any]:
    if layer.padding.upper() not in ("SAME", "VALID"):
        raise ExportError(
            f"Layer '{layer.name}': padding='{layer.padding}'. Use 'same' or 'valid', or a "
            f"ZeroPadding layer."
        )
    return {
        "strides": pair(layer.strides),
        "dilation": pair(layer.dilation_rate),
        "padding": layer.padding.upper(),
    }


def _convolved(
    shape: Shape, window: tuple[int, ...], geometry: dict[str, Any], channels: int
) -> Shape:
    sizes = []
    for size, kernel, stride, dilation in zip(
        shape[:2], window, geometry["strides"], geometry["dilation"], strict=True
    ):
        same = geometry["padding"] == "SAME"
        padded = size + sum(same_padding(size, kernel, stride, dilation)) * same
        sizes.append((padded - (kernel - 1) * dilation - 1) // stride + 1)
    return (*sizes, channels)
