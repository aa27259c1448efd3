"""Which activation functions are the plain ones, under whatever name a user got hold of them."""

from typing import Any

from tflite_export.lower.registry import layer_key

_NAMESPACES = ("keras", "tensorflow")


def function_name(activation: Any) -> str | None:
    """Say "relu", "relu6", "softmax", "linear" ... of Keras and TensorFlow; None for all else."""
    if activation is None:
        return "linear"
    package, _, name = layer_key(activation).partition(".")
    if package not in _NAMESPACES or not hasattr(activation, "__name__"):
        return None
    return name.removesuffix("_v2")


#: What turns logits into probabilities and keeps their order; left out at the end of a model.
PROBABILITIES = ("softmax", "sigmoid")


def is_final(layer: Any) -> bool:
    """Whether a layer makes probabilities, or ends in making them."""
    activation = function_name(getattr(layer, "activation", None))
    return is_softmax(layer) or activation in PROBABILITIES


def is_softmax(layer: Any) -> bool:
    """Whether a layer is a softmax, or ends in one."""
    if type(layer).__name__ == "Softmax":
        return True
    return function_name(getattr(layer, "activation", None)) == "softmax"


def shown(quantizer: Any) -> str:
    """A quantizer in words, also one of QKeras's that cannot print itself."""
    try:
        return str(quantizer)
    except Exception:
        # QKeras 0.9's quantized_linear and quantized_hswish fail in their own __str__.
        config: dict[str, Any] = getattr(quantizer, "get_config", dict)()
        words = ", ".join(f"{key}={value}" for key, value in config.items())
        return f"{type(quantizer).__name__}({words})"
