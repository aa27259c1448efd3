"""The kernel and the bias that a linear layer computes with, in inference."""

from typing import Any

from keras import ops


def effective_kernel(layer: Any) -> Any:
    """The kernel that the layer multiplies by: folded and quantized where it is."""
    if hasattr(layer, "folded_kernel"):
        return layer.folded_kernel()
    kernel = getattr(layer, "depthwise_kernel", None)
    kernel = layer.kernel if kernel is None else kernel
    for name in ("kernel_quantizer_internal", "depthwise_quantizer_internal"):
        quantizer = getattr(layer, name, None)
        if quantizer is not None:
            return quantizer(kernel)
    return ops.convert_to_tensor(kernel)


def effective_bias(layer: Any) -> Any:
    """The bias that the layer adds in inference, folded and quantized where it is; 0.0 for none."""
    if hasattr(layer, "folded_bias"):
        return layer.folded_bias()
    bias = getattr(layer, "bias", None)
    if bias is None:
        return 0.0
    quantizer = getattr(layer, "bias_quantizer_internal", None)
    return ops.convert_to_tensor(bias) if quantizer is None else quantizer(bias)
