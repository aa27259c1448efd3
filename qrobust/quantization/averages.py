"""Averages over a number of values that is no power of two, as their nearest weights."""

from math import prod
from typing import Any

import keras
import numpy as np

from qrobust.quantization.calls import first, pair

_L = keras.layers
AVERAGES = (_L.AveragePooling1D, _L.AveragePooling2D)


def average_kernel(layer: Any, channels: int) -> Any:
    """A depthwise convolution that averages as a pooling layer does; None where none is needed.

    Args:
        layer: AveragePooling1D, then the convolution is that of a picture of height 1, or 2D.
        channels: of its input.
    """
    pool, strides = pair(layer.pool_size), pair(layer.strides)
    one_d = isinstance(layer, _L.AveragePooling1D)
    if one_d:
        pool, strides = (1, pool[0]), (1, strides[0])
    count = prod(pool)
    if layer.padding != "valid" or not count & (count - 1) or first(layer):
        return None
    if strides[0] != strides[1] and not one_d:
        return None
    made = _L.DepthwiseConv2D(
        pool, strides=max(strides), use_bias=False, name=layer.name, trainable=False
    )
    made.build((None, None, None, channels))
    made.kernel.assign(np.full(made.kernel.shape, 1 / count))
    return made
