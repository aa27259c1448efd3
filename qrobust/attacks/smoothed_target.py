"""A random classifier under attack: expectation over transformation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.keras_target import KerasTarget, differentiate, in_batches
from qrobust.attacks.target import LOSSES, Floats, Labels


class SmoothedTarget:
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
        self.queries = 0
        self.draws = draws
        self.batch = max(1, target.batch // draws)
        self._base, self._sigma = target, float(sigma)
        self._generator = tf.random.Generator.from_seed(seed)
        signature = tf.TensorSpec((None, *self.shape), tf.float32)
        labels = tf.TensorSpec((None,), tf.int64)
        self._logits = tf.function(self.model_fn, input_signature=[signature])
        inputs = [signature, labels, labels]
        self._gradients = {
            loss: tf.function(differentiate(self, loss), input_signature=inputs) for loss in LOSSES
        }

    def model_fn(self, x: Any) -> Any:
        """Log of the mean class probabilities of fresh noisy copies, of a float32 tensor in LSB."""
        import tensorflow as tf

        copies = tf.repeat(x, self.draws, axis=0)
        noise = tf.floor(self._sigma * self._generator.normal(tf.shape(copies)) + 0.5)
        noisy = tf.clip_by_value(copies + noise, float(self.grid.low), float(self.grid.high))
        shares = tf.nn.log_softmax(self._base.model_fn(noisy))
        grouped = tf.reshape(shares, (-1, self.draws, self.classes))
        return tf.reduce_logsumexp(grouped, axis=1) - np.log(self.draws).astype(np.float32)

    def logits(self, x: NDArray[Any]) -> Floats:
        """float32[n, classes]: log of the mean class probabilities of fresh noisy copies."""
        self.queries += self.draws * len(x)
        x = np.asarray(x, np.float32)
        return np.concatenate(
            [self._logits(x[i : i + self.batch]) for i in range(0, len(x), self.batch)]
            or [np.zeros((0, self.classes), np.float32)]
        )

    def gradients(
        self, x: NDArray[Any], y: Labels, loss: str, other: Labels | None = None
    ) -> tuple[Floats, Floats]:
        """Logits as above, and the gradient by ``x`` of their loss, float32[n, *shape]."""
        self.queries += self.draws * len(x)
        return in_batches(self._gradients[loss], self.batch, x, y, other)
