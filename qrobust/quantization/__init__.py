"""Float Keras model -> quantized Keras model, other bit widths for one, and a search for them."""

from qrobust.quantization.quantize import quantize
from qrobust.quantization.search import Lowered, search_bits
from qrobust.quantization.set_bits import set_bits

__all__ = ["Lowered", "quantize", "search_bits", "set_bits"]
