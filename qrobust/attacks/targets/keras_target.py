"""A Keras model under attack."""

from typing import Any

import numpy as np

from qrobust.attacks.ground.pixel_grid import PixelGrid
from qrobust.attacks.ground.target import check_classes
from qrobust.attacks.targets.differentiable_target import DifferentiableTarget

_BATCH = 256
_PROBES = 8
# Of float32 sums over up to some thousand classes.
_SUM_TOLERANCE = 1e-4


class KerasTarget(DifferentiableTarget):
    """Logits and gradients of a Keras classifier in inference mode.

    Gradients are what automatic differentiation gives: straight through the quantizers of this
    package and of QKeras. A final softmax is left out.

    Args:
        model: built, one input, one output of shape (batch, classes).
        grid: of its inputs; by default what the model says (a ``GridNoise`` layer or a quantizer
            that reads them), else pixels 0 to 255.
        name: in reports; the model's own by default.
        batch: inputs at a time.

    Raises:
        ValueError: a model without inputs of its own (subclassed), several inputs or outputs,
            fewer than two classes, or one that ends in a softmax or sigmoid that cannot be left
            out: attacks on probabilities find robustness that is not there.
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
        self._refuse_probabilities()

    def _refuse_probabilities(self) -> None:
        """See on random inputs whether a softmax is hidden where no layer tells."""
        rng = np.random.default_rng(0)
        x = rng.integers(self.grid.low, self.grid.high + 1, (_PROBES, *self.shape))
        outputs = np.asarray(self._logits(x.astype(np.float32)), np.float64)
        if outputs.min() >= 0 and np.abs(outputs.sum(axis=1) - 1).max() < _SUM_TOLERANCE:
            raise ValueError(
                f"{self.name} gives probabilities: a softmax that is hidden from the attack, which "
                f"would report robustness that is not there. End the model in logits, or in a "
                f"plain softmax layer, which is left out."
            )

    def model_fn(self, x: Any) -> Any:
        """Logits of a float32 tensor [n, *shape] in LSB, for libraries that take a callable."""
        import tensorflow as tf

        logits = self.model(x * self.grid.step, training=False)
        # Connected to x even where a rounding cuts the gradient: zeros then, not None.
        return logits + 0.0 * tf.reduce_sum(x)


def _own_grid(model: Any) -> PixelGrid:
    from qrobust.layers.own_grid import own_grid  # which loads Keras; this room does not

    return PixelGrid(*own_grid(model))


def _logits_model(model: Any) -> Any:
    from tflite_export.errors import ExportError
    from tflite_export.logits import logits_model

    last = model.layers[-1] if model.layers else model
    if getattr(getattr(last, "activation", None), "__name__", "") == "sigmoid":
        raise ValueError(
            f"{model.name} ends in a sigmoid ('{last.name}'), which saturates and hides gradients "
            f"as a softmax does. End the model in logits."
        )
    try:
        return logits_model(model)
    except ExportError:  # a subclassed model: what it gives is taken for logits
        return model
