"""Dense layers that are arithmetic, not parameters."""

from typing import Any

import keras
import numpy as np


def fixed_dense(kernel: Any, bias: Any, name: str) -> keras.layers.Dense:
    """A dense layer that no training changes.

    Args:
        kernel: float (inputs, outputs), on a power-of-two grid.
        bias: float (outputs,), or None.
        name: of the layer.
    """
    layer = keras.layers.Dense(
        kernel.shape[1], use_bias=bias is not None, trainable=False, name=name
    )
    layer.build((None, kernel.shape[0]))
    layer.set_weights([np.asarray(v, np.float32) for v in (kernel, bias) if v is not None])
    return layer
