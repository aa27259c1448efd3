"""Which quantizer rounds a result of a float graph: from what was seen of it, or from its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qrobust.quantization.options import Options, named
from qrobust.quantization.ranges import integer_bits
from qrobust.quantization.reach import Reach
from qrobust.quantization.roads import Roads
from qrobust.quantization.twins import relu_quantizer
from qrobust.quantizers import QuantizedBits, QuantizedRelu

#: Wide intermediate results (branches, averages, logits) cost nothing in 8 bits.
WIDE_BITS = 8
_RELU_INTEGER, _WIDE_INTEGER, _LOGITS_INTEGER = 2, 3, 4


@dataclass(frozen=True)
class Choices:
    """Chooses quantizers.

    Attributes:
        roads: through the float graph.
        observed: values by ``id`` of the tensor, none without calibration data.
        options: bits of activations.
        reach: ranges of what is made of inputs alone, for where nothing was observed.
        steps: log2 of the step of tensors that a sum ties to others, by ``id``.
    """

    roads: Roads
    observed: Mapping[int, npt.NDArray[Any]]
    options: Options
    reach: Reach
    steps: Mapping[int, int]

    def wide(self, tensor: Any) -> QuantizedBits | QuantizedRelu:
        """In 8 bits."""
        values = self.observed.get(id(tensor))
        signed = not self.roads.never_negative(tensor)
        if id(tensor) in self.steps:
            integer = self.steps[id(tensor)] + WIDE_BITS - signed
        elif values is not None:
            integer = integer_bits(values, WIDE_BITS, signed=signed)
        elif (known := self.reach.integer_bits([tensor])) is not None:
            integer = known
        elif self.roads.is_last(tensor):
            integer = _LOGITS_INTEGER
        else:
            integer = _WIDE_INTEGER if signed else _RELU_INTEGER
        return (QuantizedBits if signed else QuantizedRelu)(WIDE_BITS, integer)

    def relu(self, name: str, tensors: Sequence[Any], upper: float | None) -> QuantizedRelu:
        """Of a ReLU's outputs, one tensor a use of its layer."""
        bits = self.options.activation_bits.needed(name)
        seen = [v for v in (self.observed.get(id(t)) for t in tensors) if v is not None]
        known = self.reach.integer_bits(tensors)
        integer = _RELU_INTEGER if known is None else known
        if upper is not None:
            if not upper > 0:
                raise ValueError(
                    f"Layer '{name}': a ReLU with max_value={upper:g} is 0 whatever it reads. Give "
                    f"it a larger bound, or leave it out."
                )
            bound = int(np.ceil(np.log2(upper)))
            integer = bound if known is None else min(bound, known)
        with named(name):
            if seen:
                width = relu_quantizer(bits, 0).bits
                integer = integer_bits(np.concatenate(seen), width, signed=False, upper=upper)
            if id(tensors[0]) in self.steps:
                integer = self.steps[id(tensors[0])] + relu_quantizer(bits, 0).bits
            return relu_quantizer(bits, integer, upper)

    def table(self, layer: Any, output: Any) -> QuantizedBits | QuantizedRelu:
        """Of what a table gives."""
        if id(output) in self.steps:
            return self.wide(output)
        bits = self.options.activation_bits.needed(layer.name)
        signed = not layer.activation.never_negative
        known = self.reach.integer_bits([output])
        integer = 0 if layer.activation.within_one else _RELU_INTEGER if known is None else known
        with named(layer.name):
            width = relu_quantizer(bits, 0).bits
            if id(output) in self.observed:
                integer = integer_bits(self.observed[id(output)], width, signed=signed)
            return QuantizedBits(width, integer) if signed else QuantizedRelu(width, integer)
