"""Do a graph's shapes follow from its inputs? Interpreters compute them and believe no file."""

from collections.abc import Callable
from math import prod
from typing import Any

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
    Pair,
    Reshape,
    ResizeNearest,
    Table,
    Transpose,
)

Shape = tuple[int, ...]


def shape_problem(graph: IntegerGraph) -> str:
    """Return which operator cannot give the shape that its output has; nothing where all do.

    Args:
        graph: read from a file, whose shapes are claims.
    """
    for operator in graph.operators:
        found = _SHAPES[type(operator)](operator)
        if found is None or found != operator.output.shape or min(found, default=1) < 1:
            return (
                f"'{operator.output.name}' has the shape {operator.output.shape}; its operator "
                f"gives {'none' if found is None else found}."
            )
    return ""


def _window(
    sizes: Shape, *, window: Pair, strides: Pair, padding: str, dilation: Pair = (1, 1)
) -> Shape | None:
    """Height and width behind a window; None where it cannot move."""
    if min(*window, *strides, *dilation) < 1:
        return None
    reach = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    room = sizes if padding == "SAME" else [s - r + 1 for s, r in zip(sizes, reach, strict=True)]
    return tuple(-(-r // stride) for r, stride in zip(room, strides, strict=True))


def _conv(operator: Conv2D) -> Shape | None:
    filters, rows, columns, channels = operator.weights.shape
    height, width, depth = operator.source.shape
    moved = _slid(operator, (height, width), (rows, columns))
    return (*moved, filters) if moved is not None and depth == channels else None


def _depthwise(operator: DepthwiseConv2D) -> Shape | None:
    one, rows, columns, channels = operator.weights.shape
    height, width, depth = operator.source.shape
    moved = _slid(operator, (height, width), (rows, columns))
    fits = one == 1 and channels % depth == 0
    return (*moved, channels) if moved is not None and fits else None


def _slid(operator: Conv2D | DepthwiseConv2D, sizes: Pair, window: Pair) -> Shape | None:
    return _window(
        sizes,
        window=window,
        strides=operator.strides,
        padding=operator.padding,
        dilation=operator.dilation,
    )


def _connected(operator: FullyConnected) -> Shape | None:
    units, inputs = operator.weights.shape
    rows = operator.output.shape[:-1]  # kernels flatten what has more axes than the output
    return (*rows, units) if prod(rows) * inputs == operator.source.size else None


def _pooled(operator: MaxPool2D) -> Shape | None:
    height, width, depth = operator.inputs[0].shape
    moved = _window(
        (height, width), window=operator.pool, strides=operator.strides, padding=operator.padding
    )
    return None if moved is None else (*moved, depth)


def _same(operator: Add | Maximum | Table) -> Shape:
    return operator.inputs[0].shape


def _padded(operator: Pad) -> Shape | None:
    sizes = operator.inputs[0].shape
    if len(sizes) != len(operator.paddings) or min(map(min, operator.paddings)) < 0:
        return None
    return tuple(a + n + b for n, (a, b) in zip(sizes, operator.paddings, strict=True))


def _cropped(operator: Crop) -> Shape | None:
    sizes = operator.inputs[0].shape
    if len(sizes) != len(operator.crops) or min(map(min, operator.crops)) < 0:
        return None
    return tuple(n - a - b for n, (a, b) in zip(sizes, operator.crops, strict=True))


def _transposed(operator: Transpose) -> Shape | None:
    sizes = operator.inputs[0].shape
    if sorted(operator.axes) != list(range(len(sizes))):
        return None
    return tuple(sizes[axis] for axis in operator.axes)


def _resized(operator: ResizeNearest) -> Shape:
    height, width, depth = operator.inputs[0].shape
    return height * operator.factors[0], width * operator.factors[1], depth


def _joined(operator: Concatenate) -> Shape | None:
    first, axis = operator.inputs[0].shape, operator.axis
    if not 0 <= axis < len(first):
        return None
    rests = {(len(t.shape), t.shape[:axis], t.shape[axis + 1 :]) for t in operator.inputs}
    if len(rests) != 1:
        return None
    return (*first[:axis], sum(t.shape[axis] for t in operator.inputs), *first[axis + 1 :])


def _reshaped(operator: Reshape) -> Shape:
    return operator.output.shape  # the graph holds the sizes against each other


_SHAPES: dict[type[Operator], Callable[[Any], Shape | None]] = {
    Add: _same,
    Maximum: _same,
    MaxPool2D: _pooled,
    Conv2D: _conv,
    DepthwiseConv2D: _depthwise,
    FullyConnected: _connected,
    Pad: _padded,
    Crop: _cropped,
    Transpose: _transposed,
    ResizeNearest: _resized,
    Concatenate: _joined,
    Reshape: _reshaped,
    Table: _same,
}
