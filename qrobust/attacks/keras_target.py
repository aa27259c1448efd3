"""A Keras model under attack."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.grid import PixelGrid
from qrobust.attacks.target import LOSSES, MARGIN, TARGETED, Floats, Labels, check_classes

_BATCH = 256


class KerasTarget:
    """Logits and gradients of a Keras classifier in inference mode.

    Gradients are what automatic differentiation gives: straight through the quantizers of this
    package and of QKeras. A final softmax is left out.

    Args:
        model: built, one input, one output of shape (batch, classes).
        grid: of its inputs; by default that of a ``GridNoise`` layer that reads them, else pixels 0
            to 255.
        name: in reports; the model's own by default.
        batch: inputs at a time.

    Raises:
        ValueError: a model without inputs of its own (subclassed), several inputs or outputs, or
            fewer than two classes.
    """

    def __init__(
        self,
        model: Any,
        *,
        grid: PixelGrid | None = None,
        name: str | None = None,
        batch: int = _BATCH,
    ) -> None:
        import tensorflow as tf

        self.name = name or model.name
        if not getattr(model, "inputs", None):
            raise ValueError(
                f"{self.name} has no inputs of its own: it is subclassed, or not built. Wrap it: "
                f"inputs = keras.Input(shape); keras.Model(inputs, model(inputs))."
            )
        if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output_shape) != 2:
            raise ValueError(
                f"{self.name} has {len(model.inputs)} inputs and outputs of shape "
                f"{model.output_shape}; an attack needs one input and one output of shape "
                f"(batch, classes)."
            )
        self.classes = check_classes(self.name, model.output_shape[-1])
        self.shape: tuple[int, ...] = tuple(model.input_shape[1:])
        self.grid = grid or _own_grid(model)
        self.model = _logits_model(model)
        self.queries = 0
        self.batch = batch
        signature = tf.TensorSpec((None, *self.shape), tf.float32)
        self._logits = tf.function(self.model_fn, input_signature=[signature])
        labels = tf.TensorSpec((None,), tf.int64)
        inputs = [signature, labels, labels]
        self._gradients = {
            loss: tf.function(differentiate(self, loss), input_signature=inputs) for loss in LOSSES
        }

    def model_fn(self, x: Any) -> Any:
        """Logits of a float32 tensor [n, *shape] in LSB, for libraries that take a callable."""
        import tensorflow as tf

        logits = self.model(x * self.grid.step, training=False)
        # Connected to x even where a rounding cuts the gradient: zeros then, not None.
        return logits + 0.0 * tf.reduce_sum(x)

    def logits(self, x: NDArray[Any]) -> Floats:
        """float32[n, classes] of ``x``, [n, *shape] in LSB."""
        self.queries += len(x)
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
                ``"targeted"``, the logit of ``other`` minus that of y.
            other: int64[n]; for ``"targeted"`` only.

        Returns:
            float32[n, classes] and float32[n, *shape].
        """
        self.queries += len(x)
        return in_batches(self._gradients[loss], self.batch, x, y, other)


def in_batches(
    compute: Any, batch: int, x: NDArray[Any], y: Labels, other: Labels | None
) -> tuple[Floats, Floats]:
    """Logits and gradients of all images from a function of one batch."""
    x = np.asarray(x, np.float32)
    other = y if other is None else other
    parts = [slice(i, i + batch) for i in range(0, len(x), batch)]
    logits, gradients = zip(*(compute(x[p], y[p], other[p]) for p in parts), strict=True)
    return np.concatenate(logits), np.concatenate(gradients)


def differentiate(target: Any, loss: str) -> Any:
    """A function of tensors (x, y, other): the target's logits and the loss's gradient."""
    import tensorflow as tf

    def gradients(x: Any, y: Any, other: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = target.model_fn(x)
            value = tensor_loss(logits, y, loss, other)
        return logits, tape.gradient(value, x)

    return gradients


def tensor_loss(logits: Any, y: Any, loss: str, other: Any = None) -> Any:
    """One loss an image, float32[n], of TensorFlow logits [n, classes] and labels [n]."""
    import tensorflow as tf

    if loss not in (MARGIN, TARGETED):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    own = tf.gather(logits, y, axis=1, batch_dims=1)
    if loss == TARGETED:
        return tf.gather(logits, other, axis=1, batch_dims=1) - own
    one_hot = tf.one_hot(y, logits.shape[-1], on_value=True, off_value=False, dtype=tf.bool)
    return tf.reduce_max(tf.where(one_hot, logits.dtype.min, logits), axis=1) - own


def _own_grid(model: Any) -> PixelGrid:
    from qrobust.layers.input_noise import input_noise

    try:
        noise = input_noise(model)
    except ValueError:
        return PixelGrid()
    return PixelGrid(noise.minimum, noise.maximum, 2.0**noise.exponent)


def _logits_model(model: Any) -> Any:
    from tflite_export.errors import ExportError
    from tflite_export.parity import logits_model

    try:
        return logits_model(model)
    except ExportError:  # a subclassed model: what it gives is taken for logits
        return model
