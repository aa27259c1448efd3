"""What the builders share."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import qkeras

L = keras.layers
Builder = Callable[[], Any]
Layers = Sequence[Any]


def bits(b: int, i: int = 0, symmetric: int = 1, alpha: Any = None) -> Any:
    """``quantized_bits(b, i, symmetric)``, as the examples write it; ``alpha`` left to QKeras."""
    return qkeras.quantized_bits(b, i, symmetric, alpha=alpha)


def quantizers(kernel: Any, bias: Any = None) -> dict[str, Any]:
    """Options of a QKeras layer: quantizers of kernel and bias."""
    return {"kernel_quantizer": kernel, "bias_quantizer": bias or bits(4)}


def q4() -> dict[str, Any]:
    """What most examples use: 4 bits for both."""
    return quantizers(bits(4))


def chain(shape: Sequence[int], *layers: Any) -> Any:
    """One layer after the other, as a Functional model."""
    x = inputs = keras.Input(tuple(shape))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def act(activation: Any) -> Any:
    """``QActivation``."""
    return qkeras.QActivation(activation)


def softmax() -> Any:
    """The end of most classifiers."""
    return L.Activation("softmax")
