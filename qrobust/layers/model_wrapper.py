"""What the wrappers around whole models share."""

from typing import Any

import keras
from keras import ops

from tflite_export.keras_private import functional, is_model, layers_inside
from tflite_export.logits import logits_model

_OF_MODELS = frozenset({"compile", "fit", "evaluate", "predict", "train_on_batch", "summary"})


class ModelWrapper(keras.layers.Wrapper):
    """A Keras wrapper that keeps the metrics of a model that was compiled before to itself.

    Keras lists the metrics of everything inside a layer, those of a compiled model included, and
    sums values of equal names: ``fit`` would report a loss of 0.
    """

    def build(self, input_shape: Any = None) -> None:
        """Build the model inside, and look at it again: unbuilt ones have no ends to look at."""
        super().build(input_shape)
        self.check_inside()

    def check_inside(self) -> None:
        """Refuse what the wrapper could do nothing with; nothing here."""

    def __getattr__(self, name: str) -> Any:
        """Say how a layer is trained to whoever takes it for a model."""
        if name in _OF_MODELS:
            kind = type(self).__name__
            raise AttributeError(
                f"{kind} is a layer, which has no {name}: put it into a model, trained = "
                f"keras.Sequential([keras.Input(shape), {kind.lower()}]), and {name} that; the "
                f"network inside is trained with it, and is what you save and export"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def metrics(self) -> list[Any]:
        """The wrapper's own; the model that trains finds those of layers inside by itself."""
        inside = {id(metric) for metric in self.layer.metrics}
        return [metric for metric in super().metrics if id(metric) not in inside]


def check_classifier(layer: Any, wrapper: str) -> None:
    """Refuse what has several inputs, fewer than two logits, or no logits but probabilities.

    Args:
        layer: a model, built or not, or a wrapper around one.
        wrapper: who asks.

    Raises:
        ValueError: as far as the model is built.
    """
    inner = layer
    while not is_model(inner) and is_model(getattr(inner, "layer", None)):
        inner = inner.layer
    if not is_model(inner) or not getattr(inner, "built", False):
        return
    graph = functional(inner)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            f"{wrapper} takes a model with one input and one output. '{inner.name}' has "
            f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs."
        )
    check_logits(graph.outputs[0].shape, wrapper, inner.name)
    if logits_model(inner) is not inner:
        raise ValueError(
            f"{wrapper} reads logits, and '{inner.name}' ends in a softmax, under which it would "
            f"train next to nothing. Leave the softmax out, and compile the loss with "
            f"from_logits=True."
        )


def check_draws(layer: Any, wrapper: str) -> None:
    """Refuse a model in which nothing is random in training: its copies would all be equal.

    Raises:
        ValueError: no layer inside draws, as far as the model is built.
    """
    if getattr(layer, "built", False) and not any(map(_draws, layers_inside(layer))):
        raise ValueError(
            f"{wrapper} compares noisy copies, and nothing in '{layer.name}' is random: its term "
            f"would be 0. Put GridNoise(sigma), with sigma in steps of the grid such as 64, behind "
            f"the input."
        )


def _draws(layer: Any) -> bool:
    """Whether a layer, or something that it holds (a quantizer), draws in training."""
    held = list(vars(layer).values())
    inside = [value for part in held for value in getattr(part, "__dict__", {}).values()]
    return any(isinstance(value, keras.random.SeedGenerator) for value in (*held, *inside)) or any(
        "stochastic" in type(value).__name__.lower() for value in held
    )


def check_one_input(inputs: Any, wrapper: str) -> None:
    """Refuse to be called on several tensors.

    Raises:
        ValueError: a list, tuple or dictionary of inputs.
    """
    if isinstance(inputs, list | tuple | dict):
        raise ValueError(f"{wrapper} takes one input. Received: {len(inputs)} of them.")


def check_one_device(wrapper: str) -> None:
    """Refuse to train in one of several replicas, whose kernels are no arrays of their own.

    Raises:
        ValueError: under a TensorFlow strategy such as MirroredStrategy.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if tf.distribute.has_strategy():
        kind = type(tf.distribute.get_strategy()).__name__
        raise ValueError(
            f"{wrapper} trains on one device, and not under {kind}. Leave strategy.scope() out, or "
            f"train with GridNoise and Consistency alone, which do train there."
        )


def check_logits(shape: Any, wrapper: str, name: str) -> None:
    """Refuse outputs that are not (batch, 2 classes or more).

    Raises:
        ValueError: another shape.
    """
    if len(shape) != 2 or shape[-1] is None or shape[-1] < 2:
        raise ValueError(
            f"{wrapper} compares classes, which needs logits of shape (batch, 2 or more). "
            f"'{name}' gives {tuple(shape)}; end it in 2 logits instead of one."
        )


class GivenValues(keras.losses.Loss):
    """A loss whose values are given, to be reduced as any other."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values themselves."""
        return y_pred


def add_normalizer(layer: Any, normalizer: Any, terms: Any = 0.0) -> None:
    """Take the ``logsumexp`` of unnormalized log-probabilities off a crossentropy from logits.

    Weights of classes or samples, and the reduction of the compiled loss, count for it as they do
    for the crossentropy: a layer does not see them, so the model that trains corrects the plain
    mean that is added here. In a training step of one's own, the plain mean is what there is.

    Args:
        layer: that is being called in training.
        normalizer: (batch,), subtracted from every example's loss.
        terms: a scalar that the layer adds beside it, as it is; both become one loss.
    """
    layer.add_loss(terms - ops.mean(normalizer))
    model = layer._get_call_context().entry_layer
    if getattr(model, "compiled", False):
        _corrected(model)[id(layer)] = normalizer


def _corrected(model: Any) -> dict[int, Any]:
    """What a model's ``compute_loss`` will correct; the first time, make it do so."""
    known = getattr(model.compute_loss, "pending", None)
    if known is not None:
        found: dict[int, Any] = known
        return found
    original = model.compute_loss
    pending: dict[int, Any] = {}

    def compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        total = original(x, y, y_pred, sample_weight, training=training)
        values = list(pending.values()) if training else []
        pending.clear()
        for value in values:
            total = total + ops.mean(value) - _reduced(model, value, sample_weight)
        return total

    compute_loss.pending = pending  # type: ignore[attr-defined]
    model.compute_loss = compute_loss
    return pending


def _reduced(model: Any, values: Any, sample_weight: Any) -> Any:
    """Values of examples, weighted and reduced as the model's compiled loss is."""
    loss = keras.tree.flatten(model.loss)[0]
    reduction = getattr(loss, "reduction", "sum_over_batch_size")
    weights = keras.tree.flatten(sample_weight)[0] if sample_weight is not None else None
    if weights is not None and len(weights.shape) == 2:
        weights = ops.squeeze(weights, axis=-1)
    factors = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    factor = 1.0 if factors is None else keras.tree.flatten(factors)[0]
    return factor * GivenValues(reduction=reduction)(ops.zeros_like(values), values, weights)
