"""Tensors that carry their grid, and operators as frozen dataclasses; ``graph`` joins them.

Shapes leave out the batch.
"""

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from tflite_export.grid import Grid, IntArray
from tflite_export.leaning import leaning_scale

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Tensor:
    """An activation: a name, a shape without the batch, a grid. Compared by identity.

    Attributes:
        name: in the file.
        shape: without the batch.
        grid: of its integers.
        lean: how many sums before it the file writes with a leaning scale, see ``leaning``; says
            nothing about the integers.
        multiple: what every ``q - zero_point`` is a multiple of, see ``spreading``.
    """

    name: str
    shape: Shape
    grid: Grid
    lean: int = 0
    multiple: int = 1

    @property
    def size(self) -> int:
        """Elements of one example."""
        return prod(self.shape)

    @property
    def scale(self) -> float:
        """What the file states: the grid's step, leaning."""
        return leaning_scale(self.grid.exponent, self.lean)


@dataclass(frozen=True, eq=False, kw_only=True)
class Operator:
    """Base of all operators: tensors in, one tensor out."""

    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one example."""
        return 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Operator):
    """A weighted sum: ``q_out = clamp(z_out + floor(acc * 2**-shift + 1/2))``.

    ``acc = sum((q_in - z_in) * weights) + bias``; channel ``c`` of the weights has the step
    ``2**weight_exponents[c]`` and the bias lives on the accumulator's grid,
    ``2**(e_in + weight_exponents[c])``.

    Attributes:
        weights: int64 of at most 8 bits; output channels on axis ``channel_axis``.
        weight_exponents: int64 of shape (channels,).
        bias: int64 of shape (channels,).
        storage: "int8", "int4" or "int2": how the file holds the weights.
    """

    weights: IntArray
    weight_exponents: IntArray
    bias: IntArray
    storage: str = "int8"

    channel_axis = 0

    @property
    def source(self) -> Tensor:
        """The one input."""
        return self.inputs[0]

    @property
    def shift(self) -> IntArray:
        """Per channel, log2 of output step over accumulator step."""
        return np.asarray(
            self.output.grid.exponent - self.source.grid.exponent - self.weight_exponents, np.int64
        )

    @property
    def weight_bits(self) -> int:
        """Bits that hold every weight, the sign included."""
        return int(np.abs(self.weights).max(initial=0)).bit_length() + 1

    @property
    def stored_bytes(self) -> int:
        """Bytes of weights and biases in the file."""
        per_byte = {"int8": 1, "int4": 2, "int2": 4}[self.storage]
        return -(-self.weights.size // per_byte) + 4 * self.bias.size

    @property
    def accumulator_bound(self) -> IntArray:
        """Per channel, the largest ``|acc|`` that any input can give."""
        reach = self.source.grid.reach
        axes = tuple(a for a in range(self.weights.ndim) if a != self.channel_axis)
        return np.asarray(np.abs(self.weights).sum(axis=axes) * reach + np.abs(self.bias))


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2D(Linear):
    """Weights OHWI."""

    strides: Pair = (1, 1)
    padding: str = "VALID"
    dilation: Pair = (1, 1)

    @property
    def macs(self) -> int:
        """Output positions times weights."""
        return prod(self.output.shape[:2]) * self.weights.size


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthwiseConv2D(Linear):
    """Weights 1HWC, channel ``c`` reads input channel ``c // multiplier``."""

    strides: Pair = (1, 1)
    padding: str = "VALID"
    dilation: Pair = (1, 1)

    channel_axis = 3

    @property
    def multiplier(self) -> int:
        """Output channels for each input channel."""
        return int(self.weights.shape[3]) // self.source.shape[-1]

    @property
    def macs(self) -> int:
        """Output positions times weights."""
        return prod(self.output.shape[:2]) * self.weights.size


@dataclass(frozen=True, eq=False, kw_only=True)
class FullyConnected(Linear):
    """Weights OI, applied to the last axis.

    Attributes:
        row_shifts: int64 of shape (channels,), where rows were multiplied by ``2**row_shifts`` to
            share one step; None where none was. Changes nothing that is computed.
    """

    row_shifts: IntArray | None = None

    @property
    def macs(self) -> int:
        """Positions times weights."""
        return prod(self.output.shape[:-1]) * self.weights.size


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Operator):
    """``clamp(z + floor(sum(real) / step + 1/2))`` of two tensors of one shape."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool2D(Operator):
    """Largest integer of every window; padding never wins."""

    pool: Pair
    strides: Pair
    padding: str = "VALID"


@dataclass(frozen=True, eq=False, kw_only=True)
class Maximum(Operator):
    """``max(q, bound)``: the lower clip of a grid that no fused activation expresses."""

    bound: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Operator):
    """Zeros (the zero point) around every axis but the batch."""

    paddings: tuple[Pair, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Operator):
    """Another shape, the same integers in the same order."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Crop(Operator):
    """Cuts ``before`` and ``after`` elements off every axis but the batch."""

    crops: tuple[Pair, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Operator):
    """Axes in another order; ``axes`` leaves out the batch and counts from 0."""

    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class ResizeNearest(Operator):
    """Every element repeated ``factors`` times along height and width."""

    factors: Pair


@dataclass(frozen=True, eq=False, kw_only=True)
class Concatenate(Operator):
    """Tensors of one grid side by side along ``axis``, which leaves out the batch."""

    axis: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Operator):
    """Any function of one number: ``q_out = entries[channel, q_in + 128]``.

    Attributes:
        entries: int64 of shape (1, 256), or (channels, 256) with one row for each channel of the
            last axis; there is an entry for every int8, so that no input can miss the table.
    """

    entries: IntArray


def pair(value: int | npt.ArrayLike) -> Pair:
    """An int or two of them -> two ints."""
    if isinstance(value, int):
        return value, value
    first, second = np.asarray(value).tolist()
    return int(first), int(second)
