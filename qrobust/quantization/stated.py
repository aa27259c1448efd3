"""Layers that stand for others: what an input holds, an average that is exact."""

from typing import Any

import keras
import qkeras

from qrobust.layers import GridNoise, IntegerGlobalAveragePooling2D
from qrobust.quantizers import QuantizedBits, QuantizedRelu
from tflite_export.grid import Grid


def stated(x: Any, grid: Grid, name: str) -> Any:
    """A quantizer on the input that says what it holds."""
    if grid == Grid.unsigned(8, grid.exponent):
        return qkeras.QActivation(QuantizedRelu(8, grid.exponent + 8), name=name)(x)
    if grid == Grid.signed(8, grid.exponent):
        return qkeras.QActivation(QuantizedBits(8, grid.exponent + 7), name=name)(x)
    high = grid.maximum - grid.zero_point
    return GridNoise(0, exponent=grid.exponent, minimum=high - 255, maximum=high, name=name)(x)


def exact_average(layer: Any, node: Any) -> Any:
    """The global average that is exact in integers, where Keras's is not; None where it is.

    Raises:
        ValueError: an open height or width.
    """
    if not isinstance(layer, keras.layers.GlobalAveragePooling2D):
        return None
    height, width = node.input_tensors[0].shape[1:3]
    if height is None or width is None:
        raise ValueError(f"Layer '{layer.name}' averages over an open shape. Give a size.")
    if (height * width) & (height * width - 1):
        return IntegerGlobalAveragePooling2D(keepdims=layer.keepdims, name=layer.name)
    return None
