"""Batch norm: folded by QKeras while training, or folded here into the layer before it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.lower.builder import Builder
from tflite_export.lower.keras_weights import quantized, real
from tflite_export.lower.linear import convolution, depthwise_convolution, fully_connected
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import PendingLinear, Result, Value


@lowers("qkeras.QConv2DBatchnorm")
def _conv2d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    kernel, bias = layer.get_folded_weights()
    kernel, bias = quantized(layer, "kernel", kernel), quantized(layer, "bias", bias)
    return convolution(layer, inputs[0], builder, kernel, bias)


@lowers("qkeras.QDepthwiseConv2DBatchnorm")
def _depthwise_conv2d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    kernel, bias = layer.get_folded_weights()
    kernel, bias = quantized(layer, "depthwise", kernel), quantized(layer, "bias", bias)
    return depthwise_convolution(layer, inputs[0], builder, kernel, bias)


@lowers("qkeras.QDenseBatchnorm")
def _dense(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    kernel, bias = layer.get_folded_weights()
    kernel, bias = quantized(layer, "kernel", kernel), quantized(layer, "bias", bias)
    return fully_connected(layer, inputs[0], builder, kernel, bias)


@lowers("keras.BatchNormalization", "qkeras.QBatchNormalization")
def _batch_normalization(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    value = inputs[0]
    if not isinstance(value, PendingLinear) or value.relu:
        raise ExportError(
            f"Layer '{layer.name}': a batch norm can only be folded into the convolution or dense "
            f"layer right before it. Move it there, before any activation."
        )
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, len(value.shape)):
        raise ExportError(
            f"Layer '{layer.name}': normalizes axis {layer.axis}; channels are the last."
        )
    quantizers = [f"{name}_quantizer_internal" for name in ("gamma", "beta", "mean", "variance")]
    if any(getattr(layer, name, None) is not None for name in quantizers):
        builder.inexact(
            f"Layer '{layer.name}': its quantized statistics round once more in between. Use "
            f"folded batch norm"
        )
    scale = 1 / np.sqrt(real(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * real(layer.gamma)
    offset = -real(layer.moving_mean) * scale
    if layer.center:
        offset = offset + real(layer.beta)
    if not np.all(np.abs(np.frexp(scale)[0]) == 0.5):
        builder.inexact(
            f"Layer '{layer.name}': folding it moves the weights of '{value.name}' off their grid. "
            f"Train with folded batch norm (qrobust.quantize does)"
        )
    return value.rebuild(value.kernel * scale, value.bias * scale + offset)
