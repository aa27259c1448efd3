"""Float Keras model -> quantized Keras model, and other bit widths for one."""

from qrobust.quantization.quantize import quantize
from qrobust.quantization.set_bits import set_bits

__all__ = ["quantize", "set_bits"]
