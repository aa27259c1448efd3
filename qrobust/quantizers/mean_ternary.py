"""Ternary weights with a threshold from the mean magnitude: this package's first ones."""

from typing import Any

import keras
from keras import ops

from qrobust.quantizers.rounding import covering_step
from qrobust.quantizers.weight_quantizer import WeightQuantizer


@keras.saving.register_keras_serializable(package="qrobust")
class MeanTernary(WeightQuantizer):
    """``w_q = s * clip(floor(w / s + 1/2), -1, 1)``: beyond half a step a weight becomes +-s.

    The step is the power of two nearest to 0.7 / 0.5 = 1.4 times the channel's mean magnitude,
    which puts the threshold near where Ternary Weight Networks put theirs (Li & Liu 2016,
    section 2.3: 0.7 times the mean). The gradient passes straight through. Older files call it
    ``Ternary``, which now is QKeras's, and still load as what they are.

    Args:
        channel_axes: axes of the kernel that count output channels.
    """

    bits = 2
    largest = 1

    def steps(self, kernel: Any) -> Any:
        """Powers of two that broadcast against the kernel."""
        mean = ops.mean(ops.abs(kernel), self.reduced_axes(kernel), keepdims=True)
        # Nearest power of two in the geometric sense: cover 1 / sqrt(2) of the ideal step.
        return covering_step(mean * (1.4 * 0.5**0.5), largest=1)
