"""Training on samples near the decision boundary, as a wrapper around a model."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.input_noise import input_noise
from qrobust.layers.model_wrapper import ModelWrapper, check_classifier, check_one_input
from qrobust.layers.nearest_boundary import nearest_boundary


@keras.saving.register_keras_serializable(package="qrobust")
class BoundarySamples(ModelWrapper):
    """Moves a share of every training batch to the nearest decision boundary, if it is near.

    Boundary-based retraining: an example whose nearest boundary point (DeepFool's, on the model in
    inference, quantized as on the device) lies within ``reach`` is replaced by that point, rounded
    to the input grid, and keeps its label: the boundary is pushed away from where the data are.
    Examples that are far from any boundary, and those that the share leaves out, stay as they are,
    so that accuracy on the data is trained as well. Points are mined anew for every batch, on the
    float and on the quantized network alike.

    Noise of the model (``GridNoise``) is added to moved examples as to others; where the smoothing
    is not what is trained, give it a sigma of 0: the layer then only says the input's grid. Works
    around ``SmoothAdversarial``, which then attacks from the moved examples. In inference, and at
    export, only the model inside is left.

    Args:
        layer: a model with ``GridNoise`` on its input that ends in logits, or a wrapper around one.
        reach: L2 distance in LSB within which a boundary counts as near; positive.
        share: of the examples of a batch, drawn anew in every call, that are moved; in (0, 1].
        steps: of DeepFool; a training step costs about ``2 + steps`` plain ones.
        overshoot: share added to a perturbation, to be across.
        seed: of the draw.

    Raises:
        ValueError: numbers out of range, a model without noise, of several inputs, or of one logit.

    Source:
        Song, Fallon and Li, Improving adversarial robustness in weight-quantized neural networks,
        2021 (from the abstract: retraining on samples near the boundary lowers adversarial and
        quantization loss); DeepFool, CVPR 2016.
    """

    def __init__(
        self,
        layer: Any,
        reach: float,
        *,
        share: float = 0.5,
        steps: int = 3,
        overshoot: float = 0.02,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("name", f"{layer.name}_boundary")
        super().__init__(layer, **kwargs)
        self.check_inside()
        numbers = 0 < reach < float("inf") and 0 < share <= 1 and 0 <= overshoot < float("inf")
        if not (numbers and isinstance(steps, int) and steps >= 1):
            raise ValueError(
                f"reach is positive, share in (0, 1], steps whole and at least 1, overshoot not "
                f"negative, all finite. Received: reach={reach}, share={share}, steps={steps}, "
                f"overshoot={overshoot}"
            )
        input_noise(layer)
        self.reach = float(reach)
        self.share = share
        self.steps = steps
        self.overshoot = overshoot
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def check_inside(self) -> None:
        """Refuse models that end in no logits."""
        check_classifier(self.layer, "BoundarySamples")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model; in training with a share of the examples on their boundary."""
        if not training:
            return self.layer(inputs, training=False)
        check_one_input(inputs, "BoundarySamples")
        return self.layer(self.moved(inputs), training=True)

    def moved(self, x: Any) -> Any:
        """The batch with its boundary samples in it."""
        noise = input_noise(self.layer)
        step = 2.0**noise.exponent
        low, high = noise.minimum * step, noise.maximum * step
        delta = nearest_boundary(
            lambda z: self.layer(z, training=False),
            x,
            steps=self.steps,
            overshoot=self.overshoot,
            low=low,
            high=high,
        )
        axes = tuple(range(1, len(delta.shape)))
        distance = ops.sqrt(ops.sum(ops.square(delta), axis=axes, keepdims=True)) / step
        drawn = keras.random.uniform(ops.shape(distance), seed=self._generator)
        near = ops.logical_and(distance <= self.reach, drawn < self.share)
        across = ops.floor((x + delta) / step + 0.5) * step
        return ops.where(near, across, x)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the model."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "reach": self.reach,
            "share": self.share,
            "steps": self.steps,
            "overshoot": self.overshoot,
            "seed": self.seed,
        }
