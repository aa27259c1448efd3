"""Learning from a teacher's answers, as a wrapper around a model."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.boundary_samples import BoundarySamples
from qrobust.layers.consistency import Consistency
from qrobust.layers.grid_noise import GridNoise
from qrobust.layers.input_noise import INPUT_NOISES, input_layer_of
from qrobust.layers.loss_weight import LossWeight
from qrobust.layers.macer import Macer
from qrobust.layers.model_wrapper import (
    ModelWrapper,
    check_classifier,
    check_logits,
    check_one_input,
)
from qrobust.layers.smooth_adversarial import SmoothAdversarial
from tflite_export.keras_private import functional, is_model

#: Wrappers whose outputs in training are of several copies, or of moved examples.
_OUTSIDE = (BoundarySamples, Consistency, Macer, SmoothAdversarial)


@keras.saving.register_keras_serializable(package="qrobust")
class Distillation(LossWeight, ModelWrapper):
    """Trains a model to say what a teacher says of another noisy copy (Hinton et al. 2015).

    With u the model's logits, v the teacher's and T the temperature, an example's loss is ::

        CE(softmax(u), y) + weight * T^2 * KL(softmax(v / T) || softmax(u / T))

    The teacher answers as in inference. Where the model has ``GridNoise`` on its input, it hears
    another draw of that noise than the model does, so that a float twin that was trained with noise
    teaches what it says of a noisy input; otherwise it sees the input as it is. It is no part of
    what is trained, counted, quantized or exported, and is saved with the model that trains, in
    .keras files. A copy that Keras makes of a configuration (``clone_model``, .h5 files) has a
    teacher without its weights, and refuses to train: give it one by ``hear``.

    Works inside ``Consistency``, which then shows both every copy. The model's logits are the
    outputs, so ``metrics=["accuracy"]`` keeps its meaning; weights of classes and samples weigh the
    first term alone. In inference, and at export, only the model inside is left.

    Args:
        layer: a model that ends in logits.
        teacher: a trained model of the same input shape, in the same units, and as many logits, of
            any size, float or quantized; it is not changed.
        weight: of the KL term, in nats.
        temperature: T, positive; 1 leaves the probabilities as they are.

    Raises:
        ValueError: a negative weight, a temperature that is not positive, a teacher of other
            shapes, that is not built, that ends in a softmax, or that shares variables with the
            model, whose ``GridNoise`` says that its inputs are on another grid, or either's input
            layer is one of views (``SplitNoise``, ``BandNoise``, ``AblationNoise``).

    Source:
        Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015
        (arXiv 1503.02531).
    """

    def __init__(
        self, layer: Any, teacher: Any, weight: float, *, temperature: float = 1.0, **kwargs: Any
    ) -> None:
        kwargs.setdefault("name", f"{layer.name}_distillation")
        super().__init__(layer, **kwargs)
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature is positive. Received: temperature={temperature}")
        self.temperature = float(temperature)
        # Past Keras's tracking: not trained, not listed, not counted. Saving finds it all the same.
        object.__setattr__(self, "teacher", teacher)
        self._has_learned = True
        self._make_weight(weight)
        self.check_inside()

    def check_inside(self) -> None:
        """Refuse a model and a teacher that do not speak of the same."""
        check_classifier(self.layer, "Distillation")
        if isinstance(self.layer, _OUTSIDE):
            raise ValueError(
                f"Distillation goes inside {type(self.layer).__name__}, whose outputs are no "
                f"logits of one copy: wrap the model in Distillation first."
            )
        if not is_model(self.teacher) or not self.teacher.built:
            raise ValueError(
                f"Distillation takes a teacher that is a built Keras model, Sequential or "
                f"Functional. Received: {self.teacher!r}"
            )
        check_classifier(self.teacher, "Distillation")
        hears = _grid_noise(self.teacher)
        if not getattr(self.layer, "built", False):
            return
        model = _model_in(self.layer)
        ends = [
            (tuple(graph.inputs[0].shape[1:]), graph.outputs[0].shape[-1])
            for graph in (functional(model), functional(self.teacher))
        ]
        if ends[0] != ends[1]:
            raise ValueError(
                f"Distillation takes a teacher of the model's input shape and classes. Received: "
                f"a model from {ends[0][0]} to {ends[0][1]}, a teacher from {ends[1][0]} to "
                f"{ends[1][1]}"
            )
        own = {id(variable) for variable in self.layer.variables}
        shared = [v.path for v in self.teacher.variables if id(v) in own]
        if shared:
            raise ValueError(
                f"Distillation's teacher does not change, and '{self.teacher.name}' would: it "
                f"shares variables with the model that is trained, {shared[0]}. Give a copy: "
                f"keras.models.clone_model(teacher), then set_weights(teacher.get_weights())."
            )
        _check_units(_grid_noise(model), hears)

    def hear(self, teacher: Any) -> None:
        """Take this teacher from now on: what a copy, whose teacher has no weights, needs.

        Raises:
            ValueError: as when the wrapper is made.
        """
        known = self.teacher
        object.__setattr__(self, "teacher", teacher)
        try:
            self.check_inside()
        except ValueError:
            object.__setattr__(self, "teacher", known)
            raise
        self._has_learned = True

    def load_own_variables(self, store: Any) -> None:
        """Read the weight of the term; the teacher's weights are read from the same file."""
        super().load_own_variables(store)
        self._has_learned = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model; in training the teacher, too, adding the divergence to the loss."""
        if not training:
            return self.layer(inputs, training=False)
        check_one_input(inputs, "Distillation")
        if not self._has_learned:
            raise ValueError(
                f"The teacher of '{self.name}' has no trained weights: clone_model, from_config "
                f"and .h5 files copy none. Give it one with hear(teacher), or load a .keras file."
            )
        noise = _grid_noise(_model_in(self.layer))
        heard = inputs if noise is None else noise(inputs, training=True)
        taught = ops.stop_gradient(self.teacher(heard, training=False))
        logits = self.layer(inputs, training=True)
        check_logits(logits.shape, "Distillation", self.layer.name)
        # One of both may be of half precision.
        log_q, log_p = (
            ops.log_softmax(ops.cast(answers, "float32") / self.temperature, axis=-1)
            for answers in (taught, logits)
        )
        divergence = ops.mean(ops.sum(ops.exp(log_q) * (log_q - log_p), axis=-1))
        self.add_loss(self._weight * self.temperature**2 * divergence)
        return logits

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the model."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "teacher": keras.saving.serialize_keras_object(self.teacher),
            "weight": self.initial_weight,
            "temperature": self.temperature,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Distillation":
        """Make the teacher, too; its weights are loaded with the model's."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("layer", "teacher")
        }
        made = cls(**{**config, **parts})
        made._has_learned = False
        return made


def _model_in(layer: Any) -> Any:
    inner = layer
    while not is_model(inner):
        inner = getattr(inner, "layer", None)
        if inner is None:
            raise ValueError(
                f"Distillation takes a Sequential or Functional model, or a wrapper around one. "
                f"Received: {layer!r}"
            )
    return inner


def _check_units(own: GridNoise | None, teachers: GridNoise | None) -> None:
    """Refuse a teacher whose noise says that its inputs are on another grid."""
    if own is None or teachers is None:
        return
    grids = [(n.exponent, n.minimum, n.maximum) for n in (own, teachers)]
    if grids[0] != grids[1]:
        said = [f"{low} to {high} in steps of 2^{exponent}" for exponent, low, high in grids]
        raise ValueError(
            f"Distillation shows the teacher what the model sees, in the same units. Received: a "
            f"model of inputs from {said[0]}, a teacher of inputs from {said[1]}"
        )


def _grid_noise(model: Any) -> Any:
    """A model's own noise; None where it has none, or is not built; of views, an error."""
    try:
        noise = input_layer_of(model)
    except ValueError:
        return None
    if not isinstance(noise, GridNoise):
        kinds = ", ".join(kind.__name__ for kind in INPUT_NOISES if kind is not GridNoise)
        raise ValueError(
            f"Distillation knows no views ({kinds}), which see parts of an input. Received a model "
            f"with {type(noise).__name__} on its input: '{model.name}'."
        )
    return noise
