"""A monotone mapping of pixels, in layers that every device computes alike."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.quantizers import QuantizedRelu

#: Flat near black and white, steep between: an S of eight pieces.
S_CURVE = (0.25, 0.5, 1.0, 2.25, 2.25, 1.0, 0.5, 0.25)
_FINEST = 8
# Of a kernel of several, in steps of the finest among them: more leave no room to round alike.
_LARGEST = 31


def companding(
    input_shape: tuple[int, int, int],
    slopes: Sequence[float] = S_CURVE,
    *,
    name: str = "companding",
) -> Any:
    r"""A nonlinear mapping of pixels 0..255 to pixels 0..255, the same for every channel.

    Of K pieces of ``w = 256 / K`` pixel steps each::

        f(x) = clip(floor(sum_k s_k * clip(x - k w, 0, w) + 1/2), 0, 255)

    as a depthwise and a pointwise convolution with fixed weights, each with a clip: exact on every
    runtime. Put it in front of a network with ``in_front``. It is differentiable (its slopes) and
    so no defence against an attacker who knows it: attack it through itself.

    Args:
        input_shape: height, width, channels.
        slopes: s_k, one a piece, 2 to 16 of them, as many as divide 256; whole eighths from 0 to
            15, none more than 31 times the power of two that divides all.
        name: of the model.

    Returns:
        A quantized Keras model without trainable weights, pixels to pixels.

    Raises:
        ValueError: slopes that are not monotone, or that no exact kernel has; another shape.

    Source:
        Song, Fallon and Li 2021 propose a nonlinear mapping against gradient attacks (from the
        abstract; the curve is this package's own).
    """
    pieces = len(slopes)
    if not 2 <= pieces <= 16 or 256 % pieces:
        raise ValueError(f"slopes are 2 to 16, as many as divide 256. Received: {pieces} of them")
    steps = np.asarray(slopes, np.float64) * _FINEST
    if (steps != np.rint(steps)).any() or steps.min() < 0 or steps.max() > 15 * _FINEST:
        raise ValueError(
            f"Slopes are whole eighths from 0 to 15: a negative one is not monotone, and any other "
            f"number has no exact kernel. Received: {list(slopes)}"
        )
    common = int(np.gcd.reduce(steps.astype(np.int64)))
    if steps.max() > _LARGEST * (common & -common):
        raise ValueError(
            f"Slopes are at most {_LARGEST} times the power of two that divides all of them, or no "
            f"kernel is exact: round them to fewer digits. Received: {list(slopes)}"
        )
    if len(input_shape) != 3:
        raise ValueError(f"input_shape is height, width, channels. Received: {input_shape}")
    width, channels = 256 // pieces, input_shape[-1]
    inputs = keras.Input(input_shape, name="pixels")
    source = qkeras.QActivation(QuantizedRelu(8, 8), name=f"{name}_input")(inputs)
    parts = keras.layers.DepthwiseConv2D(
        1, depth_multiplier=pieces, trainable=False, name=f"{name}_pieces"
    )
    parts.build((None, *input_shape))
    starts = -width * np.arange(pieces, dtype=np.float32)
    parts.set_weights([np.ones((1, 1, channels, pieces), np.float32), np.tile(starts, channels)])
    y = qkeras.QActivation(QuantizedRelu(8, 8, upper=float(width)), name=f"{name}_clips")(
        parts(source)
    )
    join = keras.layers.Conv2D(channels, 1, use_bias=False, trainable=False, name=f"{name}_join")
    join.build((None, *input_shape[:2], channels * pieces))
    kernel = np.zeros((channels * pieces, channels), np.float32)
    for channel in range(channels):
        kernel[channel * pieces : (channel + 1) * pieces, channel] = slopes
    join.set_weights([kernel[None, None]])
    outputs = qkeras.QActivation(QuantizedRelu(8, 8), name=f"{name}_output")(join(y))
    return keras.Model(inputs, outputs, name=name)
