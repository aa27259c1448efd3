"""What a Keras or QKeras layer multiplies by and adds in inference."""

from typing import Any

import numpy as np

from tflite_export.grid import FloatArray
from tflite_export.lower.checks import check_not_random


def real(value: Any) -> FloatArray:
    """A Keras variable or backend tensor as float64."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(value), np.float64)


def quantized(layer: Any, name: str, value: Any) -> FloatArray:
    """A weight behind its quantizer, if the layer has one for it (``kernel``, ``bias``, ...)."""
    quantizer = getattr(layer, f"{name}_quantizer_internal", None)
    if quantizer is None:
        return real(value)
    first = real(quantizer(value))
    check_not_random(layer, name, quantizer, value, first)
    return first


def kernel_of(layer: Any) -> FloatArray:
    """The kernel of a convolution or dense layer, in the layer's own layout."""
    # Keras calls a depthwise kernel ``kernel``, QKeras ``depthwise_kernel``.
    if hasattr(layer, "depthwise_kernel"):
        kernel = quantized(layer, "depthwise", layer.depthwise_kernel)
    else:
        kernel = quantized(layer, "kernel", layer.kernel)
    mask = getattr(layer, "_mask", None)
    return kernel if mask is None else kernel * real(mask)


def bias_of(layer: Any, channels: int) -> FloatArray:
    """The bias, zeros where the layer has none."""
    if not layer.use_bias:
        return np.zeros(channels)
    return quantized(layer, "bias", layer.bias)
