"""QKeras-compatible quantizers that round as the exported integers do: half up, on powers of two.

They go wherever QKeras takes a quantizer, and wherever Keras takes an activation.
"""

from qrobust.quantizers.binary import Binary
from qrobust.quantizers.fixed_point import FixedPoint
from qrobust.quantizers.mean_ternary import MeanTernary
from qrobust.quantizers.of_one_value import OfOneValue
from qrobust.quantizers.power_of_two_weights import PowerOfTwoWeights
from qrobust.quantizers.quantized_bits import QuantizedBits
from qrobust.quantizers.quantized_relu import QuantizedRelu
from qrobust.quantizers.stochastic_mean_ternary import StochasticMeanTernary
from qrobust.quantizers.stochastic_ternary import StochasticTernary
from qrobust.quantizers.tabulated import Tabulated
from qrobust.quantizers.ternary import Ternary

__all__ = [
    "Binary",
    "FixedPoint",
    "MeanTernary",
    "OfOneValue",
    "PowerOfTwoWeights",
    "QuantizedBits",
    "QuantizedRelu",
    "StochasticMeanTernary",
    "StochasticTernary",
    "Tabulated",
    "Ternary",
]
