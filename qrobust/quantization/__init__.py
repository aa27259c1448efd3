"""Float Keras model -> quantized Keras model."""

from qrobust.quantization.quantize import quantize

__all__ = ["quantize"]
