"""From one grid to another by a depthwise convolution: it rounds as every linear layer does."""

import numpy as np

from tflite_export.graph import Reshape, Tensor
from tflite_export.grid import Grid
from tflite_export.lower.builder import Builder
from tflite_export.lower.values import OnGrid
from tflite_export.lower.weighted import Geometry, depthwise_conv2d


def requantize(value: OnGrid, grid: Grid, *, name: str, builder: Builder) -> OnGrid:
    """Round a tensor onto another grid, half up.

    QUANTIZE from int8 to int8 rounds differently on different kernels; a convolution does not.
    """
    if value.grid == grid:
        return value
    return _convolved(value, grid, name=name, builder=builder)


def in_own_units(value: OnGrid, grid: Grid, *, name: str, builder: Builder) -> Tensor:
    """A tensor that holds the values on ``grid`` without a power of two beside it.

    Operators that join tensors compare their grids, so a rescaled one needs its own.
    """
    if value.exponent == 0 and value.grid == grid:
        return value.tensor
    return _convolved(value, grid, name=name, builder=builder).tensor


def negated(value: OnGrid, grid: Grid, *, name: str, builder: Builder) -> OnGrid:
    """``-value`` on a grid of the same step, which is its own mirrored."""
    return _convolved(value, grid, name=name, builder=builder, factor=-1.0)


def _convolved(
    value: OnGrid, grid: Grid, *, name: str, builder: Builder, factor: float = 1.0
) -> OnGrid:
    channels = value.shape[-1]
    picture = _reshaped(value, (1, value.tensor.size // channels, channels), name, builder)
    rounded = depthwise_conv2d(
        name,
        picture,
        np.full((1, 1, channels, 1), factor),
        np.zeros(channels),
        Geometry(),
        builder,
    ).settle(grid)
    return _reshaped(rounded, value.shape, name, builder)


def _reshaped(value: OnGrid, shape: tuple[int, ...], name: str, builder: Builder) -> OnGrid:
    if value.shape == shape:
        return value
    output = builder.tensor(f"{name}_shape", shape, value.tensor.grid)
    reshaped = builder.emit(Reshape(inputs=(value.tensor,), output=output))
    return OnGrid(reshaped.tensor, value.exponent)
