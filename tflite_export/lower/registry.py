"""Which function lowers which Keras layer.

Layers are looked up by the package and name of their exact class, so that nothing heavy is
imported here and a subclass that overrides ``call`` is never mistaken for its parent.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.foreign import foreign_layer
from tflite_export.lower.builder import Builder
from tflite_export.lower.values import Result, Value

_RECURRENT = "use Conv1D, or unroll the steps into dense layers"
_NORM = "use BatchNormalization, which folds into a kernel"
_SLOPE = "qrobust.quantize makes a table of it"
# What to use in place of layers that have no exact kernel.
INSTEAD = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "QLSTM", "QGRU", "QSimpleRNN"), _RECURRENT),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization", "UnitNormalization"), _NORM),
    **dict.fromkeys(("LeakyReLU", "PReLU", "ELU"), _SLOPE),
    "Multiply": "a product of two activations rounds differently everywhere; leave the gate out",
    "MultiHeadAttention": "attention multiplies activations; use convolutions",
    "Lambda": "any function can hide in it; use layers",
    "Average": "use Add and a Rescaling by a power of two; qrobust.quantize does",
    "Subtract": "use Add and a Rescaling by -1; qrobust.quantize does",
}
Lowering = Callable[[Any, Sequence[Value], Builder], Result]
_LOWERINGS: dict[str, Lowering] = {}


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Register a function for layers, by ``package.ClassName``.

    The function gets the layer, one value per input tensor, and the builder.
    """

    def register(function: Lowering) -> Lowering:
        for name in names:
            _LOWERINGS[name] = function
        return function

    return register


def layer_key(layer: object) -> str:
    """``package.ClassName`` of a layer, quantizer or activation function."""
    kind = type(layer)
    name = getattr(layer, "__name__", kind.__name__)
    module = layer.__module__ if hasattr(layer, "__name__") else kind.__module__
    return f"{str(module).partition('.')[0]}.{name}"


def exported_layers() -> list[str]:
    """Every layer that is exported, as ``package.ClassName``."""
    return sorted(_LOWERINGS)


def _road(layer: Any, key: str) -> str:
    foreign = foreign_layer(layer)
    if foreign is not None:
        return f"it is {foreign}"
    kind = key.partition(".")[2]
    return INSTEAD.get(kind, "build that part of the model from the layers in docs/what_exports.md")


def lowering_of(layer: Any) -> Lowering:
    """The function that lowers a layer.

    Raises:
        ExportError: there is none.
    """
    key = layer_key(layer)
    if key not in _LOWERINGS:
        raise ExportError(
            f"Layer '{layer.name}' ({key}) cannot be exported, it has no exact kernel: "
            f"{_road(layer, key)}."
        )
    return _LOWERINGS[key]
