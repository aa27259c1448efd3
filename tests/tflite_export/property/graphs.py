"""Strategies that draw integer graphs, no Keras: any shift, any grid, accumulators on edges."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    ResizeNearest,
    Shape,
    Table,
    Tensor,
    Transpose,
)
from tflite_export.grid import Grid

from .drawing_layers import Draw, Sliding, sliding

_LARGEST_WEIGHT = 31
_LARGEST_SIZE = 200


@st.composite
def grids(draw: Draw) -> Grid:
    exponent = draw(st.integers(-9, 3))
    if draw(st.booleans()):
        return Grid.unsigned(draw(st.integers(1, 8)), exponent)
    return Grid.signed(draw(st.integers(2, 8)), exponent, symmetric=draw(st.booleans()))


def linear_constants(
    draw: Draw, source: Grid, output: Grid, shape: Shape, channels: int
) -> dict[str, Any]:
    """Weights, exponents and biases; an all-zero input puts every accumulator on or by an edge.

    Edges are the ties and the ends of the output's grid, where it saturates.
    """
    shift = st.integers(4, 9) | st.integers(-6, 12)
    shifts = np.array(draw(st.lists(shift, min_size=channels, max_size=channels)))
    biases = []
    for shift in shifts.tolist():
        low, high = output.minimum - output.zero_point, output.maximum - output.zero_point
        target = draw(st.integers(low - 2, high + 2) | st.sampled_from([low, 0, high]))
        tie = (2 * target + draw(st.sampled_from([-1, 1]))) * 2.0 ** (shift - 1)
        biases.append(int(np.floor(tie)) + draw(st.integers(-1, 1)))
    # Ternary ones are packed into int4, those of 4 bits behind a spread input.
    largest = draw(st.sampled_from([_LARGEST_WEIGHT, 7, 1]))
    weights = st.integers(-largest, largest)
    return {
        "weights": draw(arrays.arrays(np.int64, shape, elements=weights, fill=st.nothing())),
        "weight_exponents": output.exponent - source.exponent - shifts,
        "bias": np.array(biases, np.int64),
    }


def geometry(drawn: Sliding) -> dict[str, Any]:
    return {
        "strides": drawn.strides,
        "padding": drawn.padding.upper(),
        "dilation": drawn.dilation,
    }


def conv(draw: Draw, x: Tensor, name: str) -> Operator:
    window, grid, filters = sliding(draw, x.shape), draw(grids()), draw(st.integers(1, 4))
    return Conv2D(
        inputs=(x,),
        output=Tensor(name, window.after(x.shape, filters), grid),
        **linear_constants(draw, x.grid, grid, (filters, *window.size, x.shape[-1]), filters),
        **geometry(window),
    )


def depthwise(draw: Draw, x: Tensor, name: str) -> Operator:
    window, grid = sliding(draw, x.shape), draw(grids())
    channels = x.shape[-1] * draw(st.integers(1, 2))
    return DepthwiseConv2D(
        inputs=(x,),
        output=Tensor(name, window.after(x.shape, channels), grid),
        **linear_constants(draw, x.grid, grid, (1, *window.size, channels), channels),
        **geometry(window),
    )


def dense(draw: Draw, x: Tensor, name: str) -> Operator:
    grid, units = draw(grids()), draw(st.integers(1, 4))
    return FullyConnected(
        inputs=(x,),
        output=Tensor(name, (*x.shape[:-1], units), grid),
        **linear_constants(draw, x.grid, grid, (units, x.shape[-1]), units),
    )


def add(draw: Draw, a: Tensor, b: Tensor, name: str) -> Operator:
    """A sum onto a grid on which kernels agree."""
    finest, coarsest = sorted((a.grid.exponent, b.grid.exponent))
    if coarsest - finest <= 6 and draw(st.booleans()):
        exponent = draw(st.integers(coarsest - 6, finest))
        grid = Grid.signed(draw(st.integers(2, 8)), exponent, symmetric=draw(st.booleans()))
    else:
        exponent = draw(st.integers(coarsest - 6, max(coarsest - 6, finest + 10)))
        grid = Grid.unsigned(draw(st.integers(1, 8)), exponent)
    return Add(inputs=(a, b), output=Tensor(name, a.shape, grid))


def average(draw: Draw, x: Tensor, name: str) -> Operator:
    """The average over a whole picture: a depthwise convolution of equal weights."""
    height, width, channels = x.shape
    grid = draw(grids())
    constants = linear_constants(draw, x.grid, grid, (1, 1, 1, 1), 1)
    return DepthwiseConv2D(
        inputs=(x,),
        output=Tensor(name, (1, 1, channels), grid),
        weights=np.broadcast_to(constants["weights"], (1, height, width, channels)),
        weight_exponents=np.repeat(constants["weight_exponents"], channels),
        bias=np.repeat(constants["bias"], channels),
    )


def max_pool(draw: Draw, x: Tensor, name: str) -> Operator:
    window = sliding(draw, x.shape)
    if window.dilation != (1, 1):
        window = Sliding(window.size, window.strides, window.padding)
    return MaxPool2D(
        inputs=(x,),
        output=Tensor(name, window.after(x.shape, x.shape[2]), x.grid),
        pool=window.size,
        strides=window.strides,
        padding=window.padding.upper(),
    )


def pad(draw: Draw, x: Tensor, name: str) -> Operator:
    sides = st.tuples(st.integers(0, 2), st.integers(0, 2))
    paddings = (draw(sides), draw(sides), draw(sides))
    shape = tuple(size + sum(side) for size, side in zip(x.shape, paddings, strict=True))
    return Pad(inputs=(x,), output=Tensor(name, shape, x.grid), paddings=paddings)


def crop(draw: Draw, x: Tensor, name: str) -> Operator:
    crops = tuple(
        (before, draw(st.integers(0, size - 1 - before)))
        for size in x.shape
        for before in [draw(st.integers(0, size - 1))]
    )
    shape = tuple(size - sum(crop) for size, crop in zip(x.shape, crops, strict=True))
    return Crop(inputs=(x,), output=Tensor(name, shape, x.grid), crops=crops)


def transpose(draw: Draw, x: Tensor, name: str) -> Operator:
    axes = tuple(draw(st.permutations(range(len(x.shape)))))
    shape = tuple(x.shape[axis] for axis in axes)
    return Transpose(inputs=(x,), output=Tensor(name, shape, x.grid), axes=axes)


def resize_nearest(draw: Draw, x: Tensor, name: str) -> Operator:
    factors = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    height, width, channels = x.shape
    shape = (height * factors[0], width * factors[1], channels)
    return ResizeNearest(inputs=(x,), output=Tensor(name, shape, x.grid), factors=factors)


def concatenate(draw: Draw, x: Tensor, name: str) -> Operator:
    """A tensor beside itself, and perhaps once more."""
    axis, copies = draw(st.integers(0, len(x.shape) - 1)), draw(st.integers(2, 3))
    shape = tuple(size * copies if a == axis else size for a, size in enumerate(x.shape))
    return Concatenate(inputs=(x,) * copies, output=Tensor(name, shape, x.grid), axis=axis)


def maximum(draw: Draw, x: Tensor, name: str) -> Operator:
    """A lower clip somewhere inside the grid, at most at zero: a ReLU."""
    bound = draw(st.integers(x.grid.minimum, min(x.grid.zero_point, 126)))
    grid = Grid(x.grid.exponent, x.grid.zero_point, bound)
    return Maximum(inputs=(x,), output=Tensor(name, x.shape, grid), bound=bound)


def table(draw: Draw, x: Tensor, name: str) -> Operator:
    """Any function, one for all channels or one for each."""
    grid, rows = draw(grids()), draw(st.sampled_from([1, x.shape[-1]]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    entries = rng.integers(grid.minimum, grid.maximum + 1, (rows, 256))
    return Table(inputs=(x,), output=Tensor(name, x.shape, grid), entries=entries)


def reshape(draw: Draw, x: Tensor, name: str) -> Operator:
    shape = draw(st.sampled_from([(x.size,), (1, x.size), (1, 1, x.size), (1, x.size, 1)]))
    return Reshape(inputs=(x,), output=Tensor(name, shape, x.grid))


@st.composite
def integer_graphs(draw: Draw) -> IntegerGraph:
    """One to five operators; each reads any tensor that is there already."""
    side = st.integers(1, 6)
    shape = draw(st.tuples(side, side, st.integers(1, 3)) | st.tuples(side))
    inputs = Tensor("x", shape, draw(grids()))
    tensors, operators = [inputs], []
    for number in range(draw(st.integers(1, 5))):
        x, name = draw(st.sampled_from(tensors[::-1])), f"{number}"
        kinds = [dense, dense, maximum, table, reshape, crop, concatenate]
        if len(x.shape) > 1:
            kinds.append(transpose)
        if len(x.shape) == 3:
            kinds += [conv, conv, conv, depthwise, depthwise, average, max_pool, pad]
        if len(x.shape) == 3 and x.size < _LARGEST_SIZE:
            kinds.append(resize_nearest)
        alike = [other for other in tensors if other.shape == x.shape]
        if len(alike) > 1 and draw(st.booleans()):
            operator = add(draw, x, draw(st.sampled_from(alike)), name)
        else:
            operator = draw(st.sampled_from(kinds))(draw, x, name)
        operators.append(operator)
        tensors.append(operator.output)
    outputs = tuple(tensors[1:]) if draw(st.booleans()) else (tensors[-1],)
    return IntegerGraph("drawn", (inputs,), outputs, tuple(operators))


def inputs_of(graph: IntegerGraph, seed: int, count: int = 8) -> Any:
    """Random stored integers; the first examples are zero and the grid's ends."""
    (x,) = graph.inputs
    q = np.random.default_rng(seed).integers(x.grid.minimum, x.grid.maximum + 1, (count, *x.shape))
    q[0], q[1], q[2] = x.grid.zero_point, x.grid.minimum, x.grid.maximum
    return q
