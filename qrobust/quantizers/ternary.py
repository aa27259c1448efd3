"""QKeras's ternary weights: -1, 0, 1 times a power of two per channel."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qrobust.quantizers.mean_ternary import MeanTernary
from qrobust.quantizers.rounding import straight_through
from qrobust.quantizers.ternary_levels import UNROLLS, ternary_levels
from qrobust.quantizers.weight_quantizer import WeightQuantizer, finest_step


@keras.saving.register_keras_serializable(package="qrobust")
class Ternary(WeightQuantizer):
    """``qkeras.ternary(alpha="auto_po2")``: the same levels and scales, see ``ternary_levels``.

    The gradient passes straight through. Two things differ, so that what is trained exports bit for
    bit: a channel whose scale would be below 1/256 of the coarsest becomes zero; and a convolution
    that is depthwise may have a scale per channel, where QKeras has one for all input channels
    (``channel_axes=(-1,)`` is QKeras's for every kernel).

    Args:
        channel_axes: axes of the kernel that count output channels.
        unrolls: rounds of the search; QKeras's ``number_of_unrolls``.
    """

    bits = 2
    largest = 1

    def __init__(self, channel_axes: Sequence[int] = (-1,), *, unrolls: int = UNROLLS) -> None:
        super().__init__(channel_axes)
        if unrolls < 1:
            raise ValueError(f"unrolls is at least 1. Received: unrolls={unrolls}")
        self.unrolls = unrolls

    def __call__(self, kernel: Any) -> Any:
        """Quantize a kernel; the result lies on its grid exactly."""
        kernel = ops.convert_to_tensor(kernel)
        still = ops.stop_gradient(kernel)
        levels, scale = ternary_levels(still, self.reduced_axes(kernel), unrolls=self.unrolls)
        heard = ops.cast(scale >= finest_step(scale), scale.dtype)
        return straight_through(levels * (scale * heard), kernel)

    def steps(self, kernel: Any) -> Any:
        """Powers of two that broadcast against the kernel."""
        return ternary_levels(kernel, self.reduced_axes(kernel), unrolls=self.unrolls)[1]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "unrolls": self.unrolls}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WeightQuantizer:
        """Build one from its config; of a file that means the old ``Ternary``, ``MeanTernary``."""
        if "unrolls" not in config:
            return MeanTernary(**config)
        return cls(**config)
