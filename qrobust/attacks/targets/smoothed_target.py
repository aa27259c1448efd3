"""A random classifier under attack: expectation over transformation."""

from typing import Any

import numpy as np

from qrobust.attacks.targets.differentiable_target import DifferentiableTarget
from qrobust.attacks.targets.keras_target import KerasTarget


class SmoothedTarget(DifferentiableTarget):
    """Logits and gradients of ``log mean softmax(f(sat(x + round(sigma z))))`` over noise draws.

    The gradient is that of the mean, so an attack follows what the noise leaves on average (EOT).
    Noise is added here and not by a ``GridNoise`` layer in training mode, which would also change
    batch norms. Every call draws new noise from this target's own generator, so an answer is itself
    random: `Search` asks again before it believes that an image fell.

    Args:
        target: the classifier that votes.
        sigma: of the noise in LSB.
        draws: noisy copies of each input.
        seed: of the noise.

    Raises:
        ValueError: a sigma that is not positive, or no draws.

    Source:
        Athalye et al., ICML 2018, section 4.2; Salman et al., Provably Robust Deep Learning via
        Adversarially Trained Smoothed Classifiers, NeurIPS 2019, equation 6.
    """

    def __init__(
        self, target: KerasTarget, *, sigma: float, draws: int = 16, seed: int = 0
    ) -> None:
        import tensorflow as tf

        if not sigma > 0 or draws < 1:
            raise ValueError(
                f"Smoothing needs sigma > 0 (in LSB) and draws >= 1. Received: {sigma=}, {draws=}"
            )
        self.name = f"{target.name} smoothed with sigma {sigma:g}"
        self.grid, self.shape, self.classes = target.grid, target.shape, target.classes
        self.draws = draws
        self.batch = max(1, target.batch // draws)
        self._base, self._sigma = target, float(sigma)
        self._generator = tf.random.Generator.from_seed(seed)
        self._compile()

    def model_fn(self, x: Any) -> Any:
        """Log of the mean class probabilities of fresh noisy copies, of a float32 tensor in LSB."""
        import tensorflow as tf

        copies = tf.repeat(x, self.draws, axis=0)
        noise = tf.floor(self._sigma * self._generator.normal(tf.shape(copies)) + 0.5)
        noisy = tf.clip_by_value(copies + noise, float(self.grid.low), float(self.grid.high))
        shares = tf.nn.log_softmax(self._base.model_fn(noisy))
        grouped = tf.reshape(shares, (-1, self.draws, self.classes))
        return tf.reduce_logsumexp(grouped, axis=1) - np.log(self.draws).astype(np.float32)
