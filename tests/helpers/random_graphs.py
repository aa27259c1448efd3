"""Random graphs beyond what files allow: any shift, 8-bit weights, biases at the ends of int32."""

import numpy as np
from numpy.random import Generator

from tflite_export.geometry import same_padding
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
    Table,
    Tensor,
    Transpose,
)
from tflite_export.grid import Grid

_INT32_MAX = 2**31 - 1


def random_graph(seed: int) -> IntegerGraph:
    """Up to eight operators; each reads any tensor that is there, outputs are any of them."""
    rng = np.random.default_rng(seed)
    inputs = [_input(rng, f"input {i}") for i in range(1 if rng.random() < 0.8 else 2)]
    tensors, operators = list(inputs), []
    for step in range(rng.integers(1, 9)):
        # The latest ones most often: long chains reuse the arena.
        x = tensors[-1 - min(int(rng.geometric(0.6)) - 1, len(tensors) - 1)]
        makers = _FLAT if len(x.shape) == 1 else _FLAT + _PICTURE
        operator = makers[rng.integers(len(makers))](rng, x, tensors, f"step {step}")
        if operator is not None and operator.output.size < 6000:
            operators.append(operator)
            tensors.append(operator.output)
    others = rng.choice(len(tensors), rng.integers(0, 3), replace=False)
    outputs = {tensors[-1]: None} | {tensors[i]: None for i in others}
    return IntegerGraph(f"random {seed}", tuple(inputs), tuple(outputs), tuple(operators))


def random_inputs(graph: IntegerGraph, seed: int, count: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = []
    for tensor in graph.inputs:
        grid = tensor.grid
        x = rng.integers(grid.minimum, grid.maximum + 1, (count, *tensor.shape))
        x[0], x[1] = grid.minimum, grid.maximum  # the largest accumulators
        arrays.append(x)
    return arrays


def _input(rng: Generator, name: str) -> Tensor:
    shape = (int(rng.integers(1, 30)),)
    if rng.random() < 0.85:
        shape = (*rng.integers(1, 11, 2).tolist(), int(rng.choice([1, 2, 3, 4, 8, 13, 16])))
    return Tensor(name, shape, _grid(rng))


def _grid(rng: Generator) -> Grid:
    exponent = int(rng.integers(-8, 3))
    if rng.random() < 0.6:
        return Grid.unsigned(int(rng.integers(1, 9)), exponent)
    return Grid.signed(int(rng.integers(2, 9)), exponent, symmetric=bool(rng.random() < 0.5))


def _linear(rng: Generator, x: Tensor, shape: tuple[int, ...], axis: int) -> dict:
    largest = int(rng.choice([1, 1, 7, 7, 7, 31, 127]))
    weights = rng.integers(-largest, largest + 1, shape)
    channels = shape[axis]
    total = np.abs(weights).sum(axis=tuple(a for a in range(len(shape)) if a != axis))
    room = _INT32_MAX - total * x.grid.reach
    spread = np.maximum(total * x.grid.reach, 1)
    bias = rng.integers(-spread, spread + 1)
    shift = np.log2(spread).astype(int) - rng.integers(4, 9, channels)
    if rng.random() < 0.1:  # the ends of what int32 holds, and shifts that go with nothing
        bias = np.where(rng.random(channels) < 0.5, room, -room)
        shift = rng.integers(-20, 45, channels)
    return {
        "grid": _grid(rng),
        "constants": {"weights": weights, "bias": np.clip(bias, -room, room)},
        "shift": shift,
    }


def _finish(kind: type, x: Tensor, shape: tuple[int, ...], drawn: dict, name: str, **more: object):
    grid = drawn["grid"]
    return kind(
        inputs=(x,),
        output=Tensor(name, shape, grid),
        weight_exponents=grid.exponent - x.grid.exponent - drawn["shift"],
        **drawn["constants"],
        **more,
    )


def _slide(rng: Generator, x: Tensor, *, dilate: bool) -> tuple[dict, tuple, tuple] | None:
    window = tuple(rng.integers(1, 5, 2).tolist())
    strides = tuple(rng.integers(1, 4, 2).tolist())
    dilation = tuple(rng.integers(1, 3, 2).tolist()) if dilate and rng.random() < 0.3 else (1, 1)
    padding = str(rng.choice(["SAME", "VALID"]))
    places = []
    for size, w, s, d in zip(x.shape[:2], window, strides, dilation, strict=True):
        pads = sum(same_padding(size, w, s, d)) if padding == "SAME" else 0
        places.append((size + pads - ((w - 1) * d + 1)) // s + 1)
    if min(places) < 1:
        return None
    return {"strides": strides, "padding": padding, "dilation": dilation}, window, tuple(places)


def _conv(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator | None:
    slid = _slide(rng, x, dilate=True)
    if slid is None:
        return None
    more, window, places = slid
    channels = int(rng.integers(1, 18))
    drawn = _linear(rng, x, (channels, *window, x.shape[2]), 0)
    return _finish(Conv2D, x, (*places, channels), drawn, name, **more)


def _depthwise(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator | None:
    slid = _slide(rng, x, dilate=True)
    if slid is None:
        return None
    more, window, places = slid
    channels = x.shape[2] * int(rng.choice([1, 1, 2, 3]))
    drawn = _linear(rng, x, (1, *window, channels), 3)
    return _finish(DepthwiseConv2D, x, (*places, channels), drawn, name, **more)


def _dense(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    units = int(rng.integers(1, 18))
    drawn = _linear(rng, x, (units, x.shape[-1]), 0)
    return _finish(FullyConnected, x, (*x.shape[:-1], units), drawn, name)


def _add(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    alike = [t for t in tensors if t.shape == x.shape]
    other = alike[rng.integers(len(alike))]
    return Add(inputs=(x, other), output=Tensor(name, x.shape, _grid(rng)))


def _maximum(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    bound = int(rng.integers(x.grid.minimum, min(x.grid.zero_point, 126) + 1))
    grid = Grid(x.grid.exponent, x.grid.zero_point, bound)
    return Maximum(inputs=(x,), output=Tensor(name, x.shape, grid), bound=bound)


def _table(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    grid, rows = _grid(rng), int(rng.choice([1, x.shape[-1]]))
    entries = rng.integers(grid.minimum, grid.maximum + 1, (rows, 256))
    return Table(inputs=(x,), output=Tensor(name, x.shape, grid), entries=entries)


def _max_pool(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator | None:
    slid = _slide(rng, x, dilate=False)
    if slid is None:
        return None
    more, window, places = slid
    return MaxPool2D(
        inputs=(x,),
        output=Tensor(name, (*places, x.shape[2]), x.grid),
        pool=window,
        strides=more["strides"],
        padding=more["padding"],
    )


def _reshape(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    shapes = [(x.size,), (1, x.size, 1), (x.size, 1, 1), (1, 1, x.size)]
    shape = shapes[rng.integers(len(shapes))]
    return Reshape(inputs=(x,), output=Tensor(name, shape, x.grid))


def _pad(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    paddings = tuple(tuple(rng.integers(0, 3, 2).tolist()) for _ in x.shape)
    shape = tuple(s + sum(p) for s, p in zip(x.shape, paddings, strict=True))
    return Pad(inputs=(x,), output=Tensor(name, shape, x.grid), paddings=paddings)


def _crop(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    crops = tuple((int(rng.integers(s)), 0) for s in x.shape)
    crops = tuple((a, int(rng.integers(s - a))) for s, (a, _) in zip(x.shape, crops, strict=True))
    shape = tuple(s - sum(c) for s, c in zip(x.shape, crops, strict=True))
    return Crop(inputs=(x,), output=Tensor(name, shape, x.grid), crops=crops)


def _transpose(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    axes = tuple(rng.permutation(len(x.shape)).tolist())
    shape = tuple(x.shape[axis] for axis in axes)
    return Transpose(inputs=(x,), output=Tensor(name, shape, x.grid), axes=axes)


def _resize(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    factors = tuple(rng.integers(1, 4, 2).tolist())
    shape = (x.shape[0] * factors[0], x.shape[1] * factors[1], x.shape[2])
    return ResizeNearest(inputs=(x,), output=Tensor(name, shape, x.grid), factors=factors)


def _concatenate(rng: Generator, x: Tensor, tensors: list[Tensor], name: str) -> Operator:
    axis = int(rng.integers(len(x.shape)))
    alike = [
        t
        for t in tensors
        if t.grid == x.grid
        and len(t.shape) == len(x.shape)
        and all(a == b for i, (a, b) in enumerate(zip(t.shape, x.shape, strict=True)) if i != axis)
    ]
    inputs = (x, *(alike[i] for i in rng.integers(0, len(alike), rng.integers(1, 3))))
    shape = list(x.shape)
    shape[axis] = sum(t.shape[axis] for t in inputs)
    return Concatenate(inputs=inputs, output=Tensor(name, tuple(shape), x.grid), axis=axis)


_FLAT = [_dense, _dense, _add, _maximum, _table, _reshape, _pad, _crop, _transpose, _concatenate]
_PICTURE = [_conv] * 6 + [_depthwise] * 3 + [_max_pool, _resize]
