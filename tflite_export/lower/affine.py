"""``scale * x + offset`` per channel: batch norm, Normalization and Rescaling.

A sum that still waits for its grid takes it into its weights. A power of two without an offset only
changes the unit. Anything else becomes a 1 x 1 depthwise convolution of its own, which is exact
where the scales are short binary numbers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.graph import Reshape
from tflite_export.grid import FloatArray, Grid
from tflite_export.lower.builder import Builder, once
from tflite_export.lower.keras_weights import real
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import OnGrid, PendingLinear, Result, Value
from tflite_export.lower.weighted import Geometry, depthwise_conv2d

_SHORT = 2**5
_FOLD = (
    "qrobust.quantize folds it into a kernel before the kernel is rounded; or train with a scale "
    "that is a power of two, such as Rescaling(1 / 256)"
)


@lowers("keras.BatchNormalization", "qkeras.QBatchNormalization")
def _batch_normalization(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    value = inputs[0]
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, len(value.shape)):
        raise ExportError(
            f"Layer '{layer.name}': normalizes axis {layer.axis}; channels are the last. Use "
            f"axis=-1."
        )
    quantizers = [f"{name}_quantizer_internal" for name in ("gamma", "beta", "mean", "variance")]
    if any(getattr(layer, name, None) is not None for name in quantizers):
        builder.inexact(
            f"Layer '{layer.name}': its quantized statistics round once more in between. Use "
            f"folded batch norm"
        )
    scale = 1 / np.sqrt(real(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * real(layer.gamma)
    offset = -real(layer.moving_mean) * scale
    if layer.center:
        offset = offset + real(layer.beta)
    if not np.all(np.abs(np.frexp(scale)[0]) == 0.5):
        where = (
            f"folding it moves the weights of '{value.name}' off their grid"
            if isinstance(value, PendingLinear) and not value.relu
            else "its scales are no powers of two"
        )
        builder.inexact(
            f"Layer '{layer.name}': {where}. Train with folded batch norm (qrobust.quantize does)"
        )
    return scaled(value, scale, offset, name=layer.name, builder=builder)


@lowers("keras.Rescaling")
def _rescaling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    scale, offset = (np.asarray(v, np.float64) for v in (layer.scale, layer.offset))
    said = f"Rescaling({layer.scale}, offset={layer.offset})"
    return _channels(layer, inputs[0], scale, offset, said, builder)


@lowers("keras.Normalization")
def _normalization(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    mean, deviation = real(layer.mean), np.maximum(np.sqrt(real(layer.variance)), 1e-7)
    if layer.invert:
        return _channels(layer, inputs[0], deviation, mean, "Normalization", builder)
    return _channels(layer, inputs[0], 1 / deviation, -mean / deviation, "Normalization", builder)


def _channels(
    layer: Any,
    value: Value,
    scale: FloatArray,
    offset: FloatArray,
    said: str,
    builder: Builder,
) -> Value:
    channels = value.shape[-1]
    for array in (scale, offset):
        if array.size not in (1, channels) or (array.ndim and array.shape[-1] != array.size):
            raise ExportError(
                f"Layer '{layer.name}': {said} differs along another axis than the last. Use one "
                f"value a channel."
            )
    scale, offset = scale.reshape(-1), offset.reshape(-1)
    if scale.size == 1 and scale[0] > 0 and not offset.any() and np.frexp(scale[0])[0] == 0.5:
        return rescaled(value, int(np.frexp(scale[0])[1]) - 1)
    # Weights of 6 bits are as exact as powers of two.
    off_grid = np.any(np.frexp(scale)[0] * _SHORT % 1)
    if off_grid:
        builder.inexact(f"Layer '{layer.name}': {said} leaves the input's grid. {_FOLD}")
    wide = (np.broadcast_to(array, (channels,)) for array in (scale, offset))
    return scaled(value, *wide, name=layer.name, builder=builder)


def scaled(
    value: Value, scale: FloatArray, offset: FloatArray, *, name: str, builder: Builder
) -> Value:
    """``scale * value + offset``, both of shape (channels,)."""
    if isinstance(value, PendingLinear) and not value.relu:
        return value.rebuild(value.kernel * scale, value.bias * scale + offset)
    source = builder.on_grid(value, reader=name)
    shape, channels = source.shape, source.shape[-1]
    picture = _shaped(source, (1, source.tensor.size // channels, channels), name, builder)
    if not isinstance(picture, OnGrid):
        raise ExportError(f"Layer '{name}': reads '{value}', which is on no grid.")
    kernel = np.asarray(scale, np.float64).reshape(1, 1, channels, 1)
    waiting = depthwise_conv2d(name, picture, kernel, np.array(offset), Geometry(), builder)
    waiting = replace(waiting, lossless=_moved_grid(source.grid, scale, offset))
    return _shaped(waiting, shape, name, builder)


def _moved_grid(grid: Grid, scale: FloatArray, offset: FloatArray) -> Grid | None:
    """The grid that holds ``scale * q + offset`` for every q, where one power of two scales all."""
    mantissa, exponent = np.frexp(float(scale[0]))
    steps = float(offset[0]) / (float(scale[0]) * grid.step)
    if mantissa != 0.5 or np.ptp(scale) or np.ptp(offset) or steps % 1:
        return None
    zero_point = grid.zero_point - int(steps)
    if not grid.minimum <= zero_point <= grid.maximum:
        return None
    return replace(grid, exponent=grid.exponent + int(exponent) - 1, zero_point=zero_point)


def rescaled(value: Value, exponent: int) -> Value:
    """``value * 2**exponent``: the same integers in another unit."""
    factor = 2.0**exponent
    if isinstance(value, OnGrid):
        return OnGrid(value.tensor, value.exponent + exponent)
    if isinstance(value, PendingLinear) and not value.relu:
        return value.rebuild(value.kernel * factor, value.bias * factor)

    def settle(grid: Grid) -> OnGrid:
        settled = value.settle(grid.scaled(-exponent))
        return OnGrid(settled.tensor, settled.exponent + exponent)

    return replace(
        value,
        settle=once(settle),
        lossless=value.lossless and value.lossless.scaled(exponent),
        bounds=(value.bounds[0] * factor, value.bounds[1] * factor),
        upper=None if value.upper is None else value.upper * factor,
    )


def _shaped(value: Value, shape: tuple[int, ...], name: str, builder: Builder) -> Value:
    if value.shape == shape:
        return value
    return builder.move(
        value,
        name=f"{name}_shape",
        shape=shape,
        operator=lambda source, output: Reshape(inputs=(source,), output=output),
        keeps_channels=True,
    )
