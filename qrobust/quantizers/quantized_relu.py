"""Unsigned activations on a power-of-two grid."""

from typing import Any

import keras

from qrobust.quantizers.rounding import quantize_clipped
from tflite_export.grid import Grid


@keras.saving.register_keras_serializable(package="qrobust")
class QuantizedRelu:
    """QKeras's ``quantized_relu(bits, integer)``, rounding half up.

    ``y = clip(s * floor(x / s + 1/2), 0, (2**bits - 1) * s)`` with ``s = 2**(integer - bits)``.
    The gradient is 1 where ``0 <= x <= (2**bits - 1) * s`` and 0 elsewhere.

    Args:
        bits: 1 to 8.
        integer: the range is ``[0, 2**integer)``; may be negative.
        upper: clip at the largest step up to this value, as a ReLU6 does at 6; None for the whole
            range.
    """

    def __init__(self, bits: int = 8, integer: int = 0, upper: float | None = None) -> None:
        self.bits = bits
        self.integer = integer
        self.upper = upper
        self._grid = Grid.unsigned(bits, integer - bits)
        if upper is not None and upper < self._grid.high:
            levels = int(upper // self._grid.step)
            if levels < 1:
                raise ValueError(f"upper is one step at least. Received: {self!r}")
            self._grid = Grid(integer - bits, 127 - levels, 127 - levels)

    def __call__(self, x: Any) -> Any:
        """Round a tensor of any shape."""
        grid = self._grid
        return quantize_clipped(x, step=grid.step, low=0.0, high=grid.high)

    def derivative(self, x: Any) -> Any:
        """The surrogate derivative that training uses, 0 or 1."""
        inside = keras.ops.logical_and(x >= 0.0, x <= self._grid.high)
        return keras.ops.cast(inside, x.dtype)

    def grid(self) -> Grid:
        """The integers of the exported tensor."""
        return self._grid

    def max(self) -> float:
        """The largest value."""
        return self._grid.high

    def min(self) -> float:
        """The smallest value."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        upper = {} if self.upper is None else {"upper": self.upper}
        return {"bits": self.bits, "integer": self.integer, **upper}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "QuantizedRelu":
        """Build one from its config."""
        return cls(**config)

    def __repr__(self) -> str:
        upper = "" if self.upper is None else f", upper={self.upper}"
        return f"QuantizedRelu({self.bits}, {self.integer}{upper})"
