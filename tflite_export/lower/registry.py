"""Which function lowers which Keras layer.

Layers are looked up by the package and name of their exact class, so that nothing heavy is
imported here and a subclass that overrides ``call`` is never mistaken for its parent.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.lower.builder import Builder
from tflite_export.lower.values import Result, Value

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


def lowering_of(layer: Any) -> Lowering:
    """The function that lowers a layer.

    Raises:
        ExportError: there is none.
    """
    key = layer_key(layer)
    if key not in _LOWERINGS:
        raise ExportError(
            f"Layer '{layer.name}' ({key}) cannot be exported to integers. Layers that can: "
            f"{', '.join(sorted(_LOWERINGS))}."
        )
    return _LOWERINGS[key]
