"""Float Keras model -> quantized Keras model, other bit widths for one, and a search for them."""

from qrobust.quantization.adopt import Adopted, adopt
from qrobust.quantization.companding import companding
from qrobust.quantization.in_front import in_front
from qrobust.quantization.legacy import load_legacy
from qrobust.quantization.quantize import quantize
from qrobust.quantization.search import Lowered, search_bits
from qrobust.quantization.set_bits import set_bits
from qrobust.quantization.summary import LayerSummary, ModelSummary, summary

__all__ = [
    "Adopted",
    "LayerSummary",
    "Lowered",
    "ModelSummary",
    "adopt",
    "companding",
    "in_front",
    "load_legacy",
    "quantize",
    "search_bits",
    "set_bits",
    "summary",
]
