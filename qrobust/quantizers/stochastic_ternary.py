"""Ternary weights that are drawn at random in training."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qrobust.quantizers.rounding import straight_through
from qrobust.quantizers.ternary import Ternary


@keras.saving.register_keras_serializable(package="qrobust")
class StochasticTernary(keras.layers.Layer):
    """``Ternary`` in inference; in training a weight is drawn between its neighbouring levels.

    With the per-channel power-of-two step s of ``Ternary`` and ``u = clip(w / s, -1, 1)`` ::

        w_q = s * (floor(u) + Bernoulli(u - floor(u)))

    so that ``E[w_q] = clip(w, -s, s)``: the nearer level is the likelier one (stochastic rounding,
    Gupta et al. 2015; ternary: Lin et al. 2016). Every call draws afresh. The gradient passes
    straight through. In inference and at export it is ``Ternary``, exactly.

    It is a Keras layer without weights, because a layer knows whether it trains: Keras hands
    ``training`` down to it from the layer that calls it, eagerly and in compiled functions, and
    finds its seeded generator. Outside of any layer's call it does not train. A per-layer Jacobian
    penalty around the layer draws a kernel of its own.

    Args:
        channel_axes: axes of the kernel that count output channels: (-1,) for dense layers and
            convolutions, (-2, -1) for depthwise ones.
        seed: of the draws.
    """

    # What QKeras asks of a quantizer; see WeightQuantizer.
    alpha = "auto_po2"
    bits = 2
    largest = 1

    def __init__(
        self, channel_axes: Sequence[int] = (-1,), *, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channel_axes = tuple(channel_axes)
        self.seed = seed
        self._ternary = Ternary(self.channel_axes)
        self._generator = keras.random.SeedGenerator(seed)

    def __call__(self, kernel: Any, **kwargs: Any) -> Any:
        """Quantize a kernel: a variable or a tensor, (..., channels)."""
        return super().__call__(ops.convert_to_tensor(kernel), **kwargs)

    def call(self, kernel: Any, training: bool = False) -> Any:
        """Draw in training, round otherwise."""
        if not training:
            return self._ternary(kernel)
        steps = self._ternary.effective_steps(kernel)
        draws = keras.random.uniform(kernel.shape, dtype=kernel.dtype, seed=self._generator)
        # floor(u + draw) is the upper level with probability u - floor(u). The last clip is for
        # 1 + draw, which float32 may round up to 2.
        levels = ops.floor(ops.clip(kernel / steps, -1, 1) + draws)
        return straight_through(ops.clip(levels, -1, 1) * steps, kernel)

    def steps(self, kernel: Any) -> Any:
        """Powers of two that broadcast against the kernel."""
        return self._ternary.steps(kernel)

    def max(self) -> float:
        """No bound: QKeras would clip the kernel to it."""
        return float("inf")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the quantized kernel, which is that of the kernel."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "channel_axes": list(self.channel_axes),
            "seed": self.seed,
        }
