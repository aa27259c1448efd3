"""A classifier in TensorFlow under attack: what deterministic and random ones share."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.ground.pixel_grid import PixelGrid
from qrobust.attacks.ground.target import (
    AIMED,
    DLR_CLASSES,
    DLR_LEAST,
    LOSSES,
    MARGIN,
    TARGETED,
    Floats,
    Labels,
    cost,
    described,
)


class DifferentiableTarget(ABC):
    """Logits and gradients, in batches, of a function of tensors.

    A subclass sets the attributes, and ``draws`` where it is random, then calls ``_compile``.

    Attributes:
        name: in reports.
        grid: of the inputs.
        shape: of one input.
        classes: number of logits.
        batch: inputs at a time.
        queries: inputs seen so far, copies included.
    """

    name: str
    grid: PixelGrid
    shape: tuple[int, ...]
    classes: int
    batch: int

    @abstractmethod
    def model_fn(self, x: Any) -> Any:
        """Logits of a float32 tensor [n, *shape] in LSB."""

    def __repr__(self) -> str:
        return described(self)

    def _compile(self) -> None:
        import tensorflow as tf

        self.queries = 0
        signature = tf.TensorSpec((None, *self.shape), tf.float32)
        self._logits = tf.function(self.model_fn, input_signature=[signature])
        labels = tf.TensorSpec((None,), tf.int64)
        inputs = [signature, labels, labels]
        self._gradients = {
            loss: tf.function(_differentiate(self, loss), input_signature=inputs) for loss in LOSSES
        }

    def logits(self, x: NDArray[Any]) -> Floats:
        """float32[n, classes] of ``x``, [n, *shape] in LSB."""
        self.queries += cost(self) * len(x)
        x = np.asarray(x, np.float32)
        return np.concatenate(
            [self._logits(x[i : i + self.batch]) for i in range(0, len(x), self.batch)]
            or [np.zeros((0, self.classes), np.float32)]
        )

    def gradients(
        self, x: NDArray[Any], y: Labels, loss: str, other: Labels | None = None
    ) -> tuple[Floats, Floats]:
        """Logits, and the gradient by ``x`` (per LSB) of the loss that an attack increases.

        Args:
            x: [n, *shape] in LSB.
            y: int64[n].
            loss: ``"cross_entropy"``; ``"margin"``, the greatest other logit minus that of y;
                ``"targeted"``, the logit of ``other`` minus that of y; ``"targeted_dlr"``, that
                over a spread of the logits, see `loss_values`.
            other: int64[n]; for the last two only.

        Returns:
            float32[n, classes] and float32[n, *shape].
        """
        self.queries += cost(self) * len(x)
        x = np.asarray(x, np.float32)
        other = y if other is None else other
        parts = [slice(i, i + self.batch) for i in range(0, len(x), self.batch)]
        compute = self._gradients[loss]
        found = (compute(x[p], y[p], other[p]) for p in parts)
        logits, gradients = zip(*found, strict=True)
        return np.concatenate(logits), np.concatenate(gradients)


def _differentiate(target: DifferentiableTarget, loss: str) -> Any:
    """A function of tensors (x, y, other): the target's logits and the loss's gradient."""
    import tensorflow as tf

    def gradients(x: Any, y: Any, other: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = target.model_fn(x)
            value = _tensor_loss(logits, y, loss, other)
        return logits, tape.gradient(value, x)

    return gradients


def _tensor_loss(logits: Any, y: Any, loss: str, other: Any = None) -> Any:
    """One loss an image, float32[n], of TensorFlow logits [n, classes] and labels [n]."""
    import tensorflow as tf

    if loss not in (MARGIN, *AIMED):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    own = tf.gather(logits, y, axis=1, batch_dims=1)
    if loss in AIMED:
        margin = tf.gather(logits, other, axis=1, batch_dims=1) - own
        if loss == TARGETED:
            return margin
        largest = tf.math.top_k(logits, DLR_CLASSES).values
        spread = largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2
        return margin / tf.maximum(spread, DLR_LEAST)
    one_hot = tf.one_hot(y, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    return tf.reduce_max(tf.where(one_hot, logits.dtype.min, logits), axis=1) - own
