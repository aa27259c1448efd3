"""Biases in fixed point."""

from typing import Any

import keras
from keras import ops

from qrobust.quantizers.rounding import straight_through


@keras.saving.register_keras_serializable(package="qrobust")
class FixedPoint:
    """``b_q = floor(b * 2**fraction_bits + 1/2) * 2**-fraction_bits``; the gradient passes through.

    Nobody needs to match it to an accumulator's grid: a bias between two accumulator values
    rounds down to one at export without changing a single output. It only has to be coarse enough
    for float32 to add it exactly.

    Args:
        fraction_bits: log2 of the steps in 1; 12 suits values around 1, and ``quantize`` chooses
            others for layers in other units. -100 to 100, within which float32 is exact.
    """

    alpha = "auto_po2"

    def __init__(self, fraction_bits: int = 12) -> None:
        if not -100 <= fraction_bits <= 100 or fraction_bits != int(fraction_bits):
            raise ValueError(f"fraction_bits is an integer, -100 to 100. Received: {fraction_bits}")
        self.fraction_bits = fraction_bits

    def __call__(self, x: Any) -> Any:
        """Round a tensor of any shape."""
        scale = 2.0**self.fraction_bits
        x = ops.convert_to_tensor(x)
        return straight_through(ops.floor(x * scale + 0.5) * (1 / scale), x)

    def max(self) -> float:
        """No bound: QKeras would clip the bias to it."""
        return float("inf")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"fraction_bits": self.fraction_bits}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FixedPoint":
        """Build one from its config."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"FixedPoint({self.fraction_bits})"
