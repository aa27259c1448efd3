"""A Keras model under attack."""

from typing import Any

from qrobust.attacks.ground.pixel_grid import PixelGrid
from qrobust.attacks.ground.target import check_classes
from qrobust.attacks.targets.differentiable_target import DifferentiableTarget

_BATCH = 256


class KerasTarget(DifferentiableTarget):
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
        self.batch = batch
        self._compile()

    def model_fn(self, x: Any) -> Any:
        """Logits of a float32 tensor [n, *shape] in LSB, for libraries that take a callable."""
        import tensorflow as tf

        logits = self.model(x * self.grid.step, training=False)
        # Connected to x even where a rounding cuts the gradient: zeros then, not None.
        return logits + 0.0 * tf.reduce_sum(x)


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
