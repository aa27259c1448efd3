"""Ternary weights that are rounded at random in training: this package's first ones."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qrobust.quantizers.mean_ternary import MeanTernary
from qrobust.quantizers.stochastic_weights import StochasticWeights


@keras.saving.register_keras_serializable(package="qrobust")
class StochasticMeanTernary(StochasticWeights):
    """``MeanTernary`` in inference; in training a weight is drawn between its neighbouring levels.

    With the per-channel power-of-two step s of ``MeanTernary`` and ``u = clip(w / s, -1, 1)`` ::

        w_q = s * (floor(u) + Bernoulli(u - floor(u)))

    so that ``E[w_q] = clip(w, -s, s)``: the nearer level is the likelier one (stochastic rounding,
    Gupta et al. 2015; ternary: Lin et al. 2016). It is not QKeras's ``stochastic_ternary``, which
    is ``StochasticTernary`` here. Older files call it that, and still load as what they are.

    Args:
        channel_axes: see ``StochasticWeights``.
        seed: of the draws.
    """

    def __init__(
        self, channel_axes: Sequence[int] = (-1,), *, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(channel_axes, seed=seed, **kwargs)
        self.deterministic = MeanTernary(self.channel_axes)

    def draw(self, kernel: Any, uniform: Any) -> Any:
        """The upper level with probability ``u - floor(u)``."""
        steps = self.deterministic.effective_steps(kernel)
        levels = ops.floor(ops.clip(kernel / steps, -1, 1) + uniform)
        # The clip is for 1 + uniform, which float32 may round up to 2.
        return ops.clip(levels, -1, 1) * steps
