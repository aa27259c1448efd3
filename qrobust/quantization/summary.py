"""What a model is made of, for people: bits, parameters, defences, and whether it exports."""

from dataclasses import dataclass
from math import prod
from typing import Any

from tabulate import tabulate

from qrobust.layers.input_noise import INPUT_NOISES
from qrobust.quantization.set_bits import current_bits
from tflite_export import ExportError, export
from tflite_export.keras_private import is_model, layers_inside


@dataclass(frozen=True)
class LayerSummary:
    """One layer that holds weights or rounds.

    Attributes:
        name: of the layer.
        kind: its class.
        weight_bits: of the kernel; None where it is not quantized.
        activation_bits: of its quantized ReLU; None where it has none.
        parameters: numbers in its weights, those that do not train included.
        penalties: what of this package is around it or in it, in words.
    """

    name: str
    kind: str
    weight_bits: int | None
    activation_bits: int | None
    parameters: int
    penalties: str


@dataclass(frozen=True)
class ModelSummary:
    """``str()`` is a table and a few lines below it.

    Attributes:
        name: of the model.
        layers: in the order of the model.
        defences: noise at the input and losses around the whole, in words.
        file_bytes: of the exact ``.tflite``; None where it does not export.
        problem: why it does not; "" where it does.
    """

    name: str
    layers: tuple[LayerSummary, ...]
    defences: tuple[str, ...]
    file_bytes: int | None
    problem: str

    @property
    def parameters(self) -> int:
        """All numbers in weights."""
        return sum(layer.parameters for layer in self.layers)

    def __str__(self) -> str:
        """A table for a terminal."""
        head = ("layer", "kind", "w-bits", "a-bits", "parameters", "")
        rows = [
            (
                layer.name,
                layer.kind,
                "" if layer.weight_bits is None else layer.weight_bits,
                "" if layer.activation_bits is None else layer.activation_bits,
                f"{layer.parameters:,}",
                layer.penalties,
            )
            for layer in self.layers
        ]
        lines = [str(tabulate(rows, head, tablefmt="simple", stralign="left")), ""]
        lines.append(f"{self.name}: {self.parameters:,} parameters")
        lines.append(
            f"defences: {', '.join(self.defences) or 'none, it trains as any Keras model'}"
        )
        size = "" if self.file_bytes is None else f"{self.file_bytes:,}"
        lines.append(
            f"does not export: {self.problem}"
            if self.problem
            else f"exports exactly, {size} bytes; tflite_export.check_parity compares the integers"
        )
        return "\n".join(lines)


def summary(model: Any) -> ModelSummary:
    """Summarize a model: bits, parameters, defences, and whether it exports exactly.

    Args:
        model: a built Keras model, quantized or not, wrapped or not.

    Raises:
        ValueError: something else, or a model that is not built.
    """
    if not is_model(model) or not model.built:
        raise ValueError(
            f"summary takes a Keras model with inputs of known shape. Received: {model!r}"
        )
    weights, activations = current_bits(model)
    wrapped = {
        id(part.layer): f"{type(part).__name__} {part.initial_weight:g}"
        for part in layers_inside(model)
        if hasattr(part, "layer") and hasattr(part, "initial_weight")
    }
    found: list[LayerSummary] = []
    counted: set[int] = set()
    for layer in _leaves(model):
        new = [weight for weight in layer.weights if id(weight) not in counted]
        counted.update(map(id, new))  # a folded layer holds a batch norm, which stands there, too
        parameters = sum(prod(weight.shape) for weight in new)
        bits = weights.get(layer.name), activations.get(layer.name)
        if parameters or bits != (None, None):
            found.append(
                LayerSummary(
                    layer.name, type(layer).__name__, *bits, parameters, wrapped.get(id(layer), "")
                )
            )
    try:
        size, problem = len(export(model).tflite), ""
    except (ExportError, ValueError) as error:
        size, problem = None, str(error)
    return ModelSummary(model.name, tuple(found), tuple(_defences(model)), size, problem)


def _leaves(model: Any) -> Any:
    """Layers that hold no others, without noise, which is gone at export."""
    for layer in layers_inside(model, itself=False):
        if not is_model(layer) and not hasattr(layer, "layer"):
            if not isinstance(layer, INPUT_NOISES):
                yield layer


def _defences(model: Any) -> Any:
    for layer in layers_inside(model):
        if isinstance(layer, INPUT_NOISES):
            sigma = getattr(layer, "sigma", None)
            shown = (
                ""
                if sigma is None
                else f" sigma {'-'.join(f'{s:g}' for s in sorted(set(sigma)))} LSB"
            )
            yield f"{type(layer).__name__}{shown}"
        elif hasattr(layer, "layer") and is_model(layer.layer):
            weight = getattr(layer, "initial_weight", None)
            yield type(layer).__name__ + ("" if weight is None else f" {weight:g}")
