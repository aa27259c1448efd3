"""Binary weights: -1 or 1 times a power of two per channel."""

from typing import Any

import keras
from keras import ops

from qrobust.quantizers.rounding import covering_step, straight_through
from qrobust.quantizers.weight_quantizer import WeightQuantizer


@keras.saving.register_keras_serializable(package="qrobust")
class Binary(WeightQuantizer):
    """``w_q = s * sign(w)``, ``sign(0) = 1``; the gradient passes where ``|w| <= 2 s``.

    Of all real steps the channel's mean magnitude has the least squared error (XNOR-Net, Rastegari
    et al. 2016, section 3.1); the step is the power of two at most a factor of sqrt(2) from it,
    which need not have the least of all powers of two. Weights far beyond it get no gradient
    outwards, as they would only drift.

    Args:
        channel_axes: axes of the kernel that count output channels.
    """

    # Stored like ternary weights: 1 and -1 take two bits.
    bits = 2
    largest = 1

    def __call__(self, kernel: Any) -> Any:
        """Quantize a kernel; the result lies on its grid exactly."""
        kernel = ops.convert_to_tensor(kernel)
        steps = self.effective_steps(kernel)
        signs = ops.where(kernel < 0, -1.0, 1.0)
        return straight_through(signs * steps, ops.clip(kernel, -2 * steps, 2 * steps))

    def steps(self, kernel: Any) -> Any:
        """Powers of two that broadcast against the kernel."""
        mean = ops.mean(ops.abs(kernel), self.reduced_axes(kernel), keepdims=True)
        return covering_step(mean * 0.5**0.5, largest=1)
