"""``a + b``, ``a - b``, ``x / 256`` and their layers, as the layers that everything else knows."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from qrobust.quantization.affine import copy_of
from qrobust.quantization.names import Names
from qrobust.quantization.rewritten import rewritten
from tflite_export.keras_private import nodes

_L = keras.layers
# An average of values whose number is no power of two, in weights of 6 bits.
_SHARE_STEPS = 32


def without_operators(model: Any, *, dyadic: bool = False) -> Any:
    """The same function with layers in place of operators on tensors.

    Sums and differences of tensors of one shape become Add; a number that is added, multiplied or
    divided by becomes a Rescaling; Subtract and Average become Add and Rescaling; a causal
    convolution becomes zeros and one without padding.

    Args:
        model: a Sequential or Functional model.
        dyadic: scale by 6-bit numbers, 21 / 64 for a third, which a graph that is quantized
            already can keep; a float graph folds any number into its kernels.
    """
    names = Names(node.operation.name for node in nodes(model))
    padded: dict[int, Any] = {}
    return rewritten(model, partial(_changed, names=names, dyadic=dyadic, padded=padded))


def _changed(
    node: Any, inputs: Sequence[Any], *, names: Names, dyadic: bool, padded: dict[int, Any]
) -> Any:
    operation = node.operation
    kind = type(operation).__name__
    free, own = partial(names.free, operation.name), partial(names.own, operation.name)
    if type(operation) is _L.Conv1D and operation.padding == "causal":
        return _causal(operation, inputs[0], free, padded)
    if isinstance(operation, _L.Average):
        share = 1 / len(inputs)
        if dyadic:  # one sum: the export adds all but the last branch without rounding
            total = _L.Add(name=own())(list(inputs))
            return _rescaled(total, dyadic_share(share), 0.0, free)
        return _rescaled(_summed(inputs, free, own), share, 0.0, free)
    if isinstance(operation, _L.Subtract):
        return _difference(inputs, free, own)
    if isinstance(operation, keras.Layer) or kind not in _KINDS:
        return None
    if len(inputs) == 2:
        if tuple(inputs[0].shape) != tuple(inputs[1].shape):
            return None
        if kind == "Add":
            return _summed(inputs, free, own)
        return _difference(inputs, free, own) if kind == "Subtract" else None
    if kind == "Negative":
        return _rescaled(inputs[0], -1.0, 0.0, own)
    left, right = (*node.arguments.args, *node.arguments.kwargs.values())[:2]
    first = isinstance(left, keras.KerasTensor)
    number = _number(right if first else left)
    if number is None:
        return None
    scale, offset = _KINDS[kind](number, first)
    return None if scale is None else _rescaled(inputs[0], scale, offset, own)


def _causal(layer: Any, x: Any, free: Callable[[], str], padded: dict[int, Any]) -> Any:
    """Zeros before the sequence, and a convolution without padding; one copy for all calls."""
    if id(layer) not in padded:
        padded[id(layer)] = copy_of(layer, padding="valid")
    before = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
    return padded[id(layer)](_L.ZeroPadding1D((before, 0), name=free())(x))


def _summed(inputs: Sequence[Any], free: Callable[[], str], own: Callable[[], str]) -> Any:
    """Sums of two; the last is named as what the caller wrote, so that errors name that."""
    total = inputs[0]
    for left, x in zip(range(len(inputs) - 2, -1, -1), inputs[1:], strict=True):
        total = _L.Add(name=free() if left else own())([total, x])
    return total


def _difference(inputs: Sequence[Any], free: Callable[[], str], own: Callable[[], str]) -> Any:
    return _summed([inputs[0], _rescaled(inputs[1], -1.0, 0.0, free)], free, own)


def _rescaled(x: Any, scale: float, offset: float, free: Callable[[], str]) -> Any:
    return _L.Rescaling(scale, offset, name=free())(x)


def dyadic_share(scale: float) -> float:
    """The nearest number of 6 bits, 21 / 64 for a third."""
    mantissa, exponent = np.frexp(scale)
    return float(np.ldexp(round(float(mantissa) * _SHARE_STEPS), int(exponent)) / _SHARE_STEPS)


def _number(value: Any) -> float | None:
    """A constant of one value; None for anything else."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    return float(array.reshape(-1)[0]) if array.size == 1 else None


def _divided(number: float, first: bool) -> tuple[float | None, float]:
    return (1 / number if first and number else None), 0.0


# (the number, whether the tensor stands first) -> scale and offset; no scale where there is none.
_KINDS: dict[str, Callable[[float, bool], tuple[float | None, float]]] = {
    "Add": lambda number, first: (1.0, number),
    "Subtract": lambda number, first: (1.0, -number) if first else (-1.0, number),
    "Multiply": lambda number, first: (number, 0.0),
    "Divide": _divided,
    "TrueDivide": _divided,
    "Negative": lambda number, first: (-1.0, 0.0),
}
