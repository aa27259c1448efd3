"""Signed activations on a power-of-two grid."""

from typing import Any

import keras

from qrobust.quantizers.rounding import quantize_clipped
from tflite_export.grid import Grid


@keras.saving.register_keras_serializable(package="qrobust")
class QuantizedBits:
    """QKeras's ``quantized_bits(bits, integer, symmetric)`` for activations, rounding half up.

    ``y = clip(s * floor(x / s + 1/2), -2**integer, 2**integer - s)`` with
    ``s = 2**(integer - bits + 1)``; ``symmetric`` leaves out the lowest value. The gradient is 1
    between the ends and 0 elsewhere.

    Args:
        bits: 2 to 8, the sign included.
        integer: the range is ``[-2**integer, 2**integer)``; may be negative.
        symmetric: whether to leave out ``-2**integer``.
    """

    def __init__(self, bits: int = 8, integer: int = 0, symmetric: bool = False) -> None:
        self.bits = bits
        self.integer = integer
        self.symmetric = bool(symmetric)
        self._grid = Grid.signed(bits, integer - bits + 1, symmetric=self.symmetric)

    def __call__(self, x: Any) -> Any:
        """Round a tensor of any shape."""
        grid = self._grid
        return quantize_clipped(x, step=grid.step, low=grid.low, high=grid.high)

    def derivative(self, x: Any) -> Any:
        """The surrogate derivative that training uses, 0 or 1."""
        inside = keras.ops.logical_and(x >= self._grid.low, x <= self._grid.high)
        return keras.ops.cast(inside, x.dtype)

    def grid(self) -> Grid:
        """The integers of the exported tensor."""
        return self._grid

    def max(self) -> float:
        """The largest value."""
        return self._grid.high

    def min(self) -> float:
        """The smallest value."""
        return self._grid.low

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"bits": self.bits, "integer": self.integer, "symmetric": self.symmetric}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "QuantizedBits":
        """Build one from its config."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"QuantizedBits({self.bits}, {self.integer}, symmetric={self.symmetric})"
