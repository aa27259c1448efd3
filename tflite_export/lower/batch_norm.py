"""QKeras's layers that fold their batch norm while they train."""

from collections.abc import Sequence
from typing import Any

from tflite_export.lower.builder import Builder
from tflite_export.lower.keras_weights import quantized
from tflite_export.lower.linear import convolution, depthwise_convolution, fully_connected
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import Result, Value


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
