"""Symmetric weights on per-channel power-of-two steps."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qrobust.quantizers.rounding import covering_step
from qrobust.quantizers.weight_quantizer import WeightQuantizer

_SCALES = ("max", "least_squares")
# Halving the covering step twice clips all but the middle quarter; further would pay only for
# weights of which nearly all are a thousandth of the largest.
_HALVINGS = 2


@keras.saving.register_keras_serializable(package="qrobust")
class PowerOfTwoWeights(WeightQuantizer):
    """``w_q = s * clip(floor(w / s + 1/2), -m, m)``, ``m = 2**(bits-1) - 1``, s a power of two.

    The step of a channel is the smallest that covers its largest weight ("max"), or the one of that
    and its next two halves with the least squared error, which may clip ("least_squares"). The
    gradient passes straight through.

    Args:
        bits: 2 to 8, the sign included; 2 bits are ternary.
        scale: "max" or "least_squares".
        channel_axes: axes of the kernel that count output channels.
    """

    def __init__(
        self, bits: int = 4, scale: str = "least_squares", channel_axes: Sequence[int] = (-1,)
    ) -> None:
        super().__init__(channel_axes)
        if not 2 <= bits <= 8:
            raise ValueError(f"Weights take 2 to 8 bits. Received: bits={bits}")
        if scale not in _SCALES:
            raise ValueError(f"scale is one of {_SCALES}. Received: scale={scale!r}")
        self.bits = bits
        self.scale_from = scale
        self.largest = 2 ** (bits - 1) - 1

    def steps(self, kernel: Any) -> Any:
        """Powers of two that broadcast against the kernel."""
        axes = self.reduced_axes(kernel)
        best = covering_step(ops.max(ops.abs(kernel), axes, keepdims=True), largest=self.largest)
        if self.scale_from == "max":
            return best
        step, least = best, self._squared_error(kernel, best, axes)
        for _ in range(_HALVINGS):
            step = step / 2
            error = self._squared_error(kernel, step, axes)
            best = ops.where(error < least, step, best)
            least = ops.minimum(error, least)
        return best

    def _squared_error(self, kernel: Any, step: Any, axes: tuple[int, ...]) -> Any:
        rounded = ops.clip(ops.floor(kernel / step + 0.5), -self.largest, self.largest) * step
        return ops.sum(ops.square(kernel - rounded), axes, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "bits": self.bits, "scale": self.scale_from}
