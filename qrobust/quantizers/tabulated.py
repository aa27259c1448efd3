"""Any function of one value, from one power-of-two grid to another, as a table."""

from typing import Any

import keras
import numpy as np
from keras import ops

from qrobust.quantizers.of_one_value import OfOneValue
from qrobust.quantizers.quantized_bits import QuantizedBits
from qrobust.quantizers.quantized_relu import QuantizedRelu
from qrobust.quantizers.rounding import straight_through
from tflite_export.grid import Grid

Quantizer = QuantizedBits | QuantizedRelu


@keras.saving.register_keras_serializable(package="qrobust")
class Tabulated:
    """``y = target(f(source(x)))``, read from a table that holds f of every step of ``source``.

    The table is computed once, in float64, and rounded half up, so that training, ``predict`` and
    every device give the same integers, whatever their tanh or exp. The gradient is that of f
    where neither quantizer clips, and 0 elsewhere.

    Args:
        function: f, a name or an `OfOneValue`.
        source: the quantizer of what f reads, 8 bits as a rule.
        target: the quantizer of what f gives.
    """

    def __init__(self, function: str | OfOneValue, source: Quantizer, target: Quantizer) -> None:
        self.function = OfOneValue(function) if isinstance(function, str) else function
        self.source, self.target = source, target
        grid = source.grid()
        steps = grid.dequantize(np.arange(grid.minimum, grid.maximum + 1))
        channels = np.ndim(self.function.parameter)
        values = self.function.exactly(steps[:, None] if channels else steps)
        onto = target.grid()
        # [channel, step], flat; float32 holds every step of an 8-bit grid.
        self._values = onto.dequantize(onto.quantize(values)).T.astype(np.float32).ravel()
        self._channels = np.asarray(self.function.parameter).size if channels else 1

    def __call__(self, x: Any) -> Any:
        """Look a tensor of any shape up; with a parameter for each channel, channels last."""
        grid = self.source.grid()
        x = self.source(x)
        places = ops.cast(x * (1 / grid.step), "int32") + (grid.zero_point - grid.minimum)
        if self._channels > 1:
            places = places + ops.arange(self._channels, dtype="int32") * grid.levels
        values = ops.take(ops.convert_to_tensor(self._values), ops.stop_gradient(places))
        return straight_through(values, self.target(self.function(x)))

    def grid(self) -> Grid:
        """The integers of the exported tensor."""
        return self.target.grid()

    def source_grid(self) -> Grid:
        """The integers that the table has entries for."""
        return self.source.grid()

    @property
    def rises(self) -> bool:
        """Whether no step gives less than the one below it."""
        rows = self._values.reshape(self._channels, -1)
        return bool(np.all(np.diff(rows) >= 0))

    def max(self) -> float:
        """The largest value."""
        return self.target.max()

    def min(self) -> float:
        """The smallest value."""
        return self.target.min()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        return {
            "function": serialize(self.function),
            "source": serialize(self.source),
            "target": serialize(self.target),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Tabulated":
        """Build one from its config."""
        parts = {
            key: keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
            for key, value in config.items()
        }
        return cls(**parts)

    def __repr__(self) -> str:
        return f"Tabulated({self.function!r}, {self.source!r}, {self.target!r})"
