"""QKeras's stochastic ternary weights."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qrobust.quantizers.rounding import other_axes
from qrobust.quantizers.stochastic_mean_ternary import StochasticMeanTernary
from qrobust.quantizers.stochastic_weights import StochasticWeights
from qrobust.quantizers.ternary import Ternary
from qrobust.quantizers.ternary_levels import UNROLLS, ternary_levels
from qrobust.quantizers.weight_quantizer import finest_step

_EPSILON = 1e-7  # Keras's own, which QKeras adds to deviations


@keras.saving.register_keras_serializable(package="qrobust")
class StochasticTernary(StochasticWeights):
    """``qkeras.stochastic_ternary(alpha="auto_po2")``; in inference and at export ``Ternary``.

    With the channel's scale s of ``ternary_levels`` and its deviation d, a weight's level is drawn
    in training from ::

        p0 = sigmoid(temperature * (w / d - s / (2 d)))
        p1 = sigmoid(temperature * (w / d + s / (2 d)))
        P(1) = p0 p1,   P(-1) = (1 - p0) (1 - p1),   P(0) = the rest

    the law of QKeras's two signs, whose mean the level is. What differs: every step draws afresh
    (QKeras draws with NumPy, which a compiled step does once, when it is traced); and what differs
    between ``Ternary`` and QKeras's.

    Args:
        channel_axes: see ``StochasticWeights``.
        temperature: the larger, the nearer to the deterministic levels.
        unrolls: rounds of the search for the scale.
        seed: of the draws.
    """

    def __init__(
        self,
        channel_axes: Sequence[int] = (-1,),
        *,
        temperature: float = 8.0,
        unrolls: int = UNROLLS,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(channel_axes, seed=seed, **kwargs)
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature is positive. Received: temperature={temperature}")
        self.temperature = temperature
        self.unrolls = unrolls
        self.deterministic = Ternary(self.channel_axes, unrolls=unrolls)

    def draw(self, kernel: Any, uniform: Any) -> Any:
        """Levels by the law above, worth the channel's scale."""
        axes = other_axes(len(kernel.shape), self.channel_axes)
        scale = ternary_levels(kernel, axes, unrolls=self.unrolls, ties=True)[1]
        deviation = ops.std(kernel, axis=axes, keepdims=True) + _EPSILON
        half = scale / 2
        p0 = ops.sigmoid(self.temperature * ((kernel - half) / deviation))
        p1 = ops.sigmoid(self.temperature * ((kernel + half) / deviation))
        up = ops.cast(uniform < p0 * p1, kernel.dtype)
        down = ops.cast(1 - uniform <= (1 - p0) * (1 - p1), kernel.dtype)
        heard = ops.cast(scale >= finest_step(scale), scale.dtype)
        return (up - down) * (scale * heard)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "unrolls": self.unrolls,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StochasticWeights:
        """Build one from its config; of a file that means the old one, that."""
        if "temperature" not in config:
            return StochasticMeanTernary(**config)
        return cls(**config)
