"""What quantizers that draw their weights in training share."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qrobust.quantizers.rounding import straight_through
from qrobust.quantizers.weight_quantizer import WeightQuantizer


class StochasticWeights(keras.layers.Layer):
    """Base of ternary quantizers that draw in training and are deterministic otherwise.

    It is a Keras layer without weights, because a layer knows whether it trains: Keras hands
    ``training`` down to it from the layer that calls it, eagerly and in compiled functions, and
    finds its seeded generator. Outside of any layer's call it does not train. Every call draws
    afresh; so a per-layer Jacobian penalty around a layer that is not folded draws a kernel of its
    own. The gradient passes straight through.

    A subclass gives ``deterministic``, the quantizer of inference and export, and ``draw``.

    Args:
        channel_axes: axes of the kernel that count output channels: (-1,) for dense layers and
            convolutions, (-2, -1) for depthwise ones.
        seed: of the draws.
    """

    # What QKeras asks of a quantizer; see WeightQuantizer.
    alpha = "auto_po2"
    bits = 2
    largest = 1
    deterministic: WeightQuantizer

    def __init__(
        self, channel_axes: Sequence[int] = (-1,), *, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channel_axes = tuple(channel_axes)
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def __call__(self, kernel: Any, **kwargs: Any) -> Any:
        """Quantize a kernel: a variable or a tensor, (..., channels)."""
        return super().__call__(ops.convert_to_tensor(kernel), **kwargs)

    def call(self, kernel: Any, training: bool = False) -> Any:
        """Draw in training, be deterministic otherwise."""
        if not training:
            return self.deterministic(kernel)
        uniform = keras.random.uniform(kernel.shape, dtype=kernel.dtype, seed=self._generator)
        return straight_through(self.draw(ops.stop_gradient(kernel), uniform), kernel)

    def draw(self, kernel: Any, uniform: Any) -> Any:
        """Weights on the grid, from the kernel and draws from [0, 1) of its shape."""
        raise AttributeError(f"{type(self).__name__} does not say how it draws.")

    def steps(self, kernel: Any) -> Any:
        """Powers of two that broadcast against the kernel."""
        return self.deterministic.steps(kernel)

    def max(self) -> float:
        """No bound: QKeras would clip the kernel to it."""
        return float("inf")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The kernel's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "channel_axes": list(self.channel_axes),
            "seed": self.seed,
        }
