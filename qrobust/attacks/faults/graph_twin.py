"""An integer graph as a function of TensorFlow: the same integers, and gradients by everything."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    IntegerGraph,
    Linear,
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
from tflite_export.grid import INT8_MIN
from tflite_export.reference import same_padding


class GraphTwin:
    r"""Integers of a graph in float32, with gradients straight through the rounding.

    .. math:: c = \mathrm{clip}(v), \quad q = \lfloor c + 1/2 \rfloor, \quad
              \partial q / \partial v = [c = v]

    Exact where accumulators stay below :math:`2^{23}`, so that float32 holds them and their halves.
    A table's gradient is its central difference.

    Args:
        graph: of one input and one output.

    Raises:
        ValueError: several inputs or outputs.
    """

    def __init__(self, graph: IntegerGraph) -> None:
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ValueError(
                f"one input and one output. Received: {len(graph.inputs)} and {len(graph.outputs)}"
            )
        self.graph = graph
        self.linear = [op for op in graph.operators if isinstance(op, Linear)]

    def run(
        self, q: Any, weights: Sequence[Any], masks: Mapping[Tensor, Any] | None = None
    ) -> dict[Tensor, Any]:
        """All tensors' integers.

        Args:
            q: float32[n, ...], the input's stored integers.
            weights: of every linear operator, flat or in its shape.
            masks: int8, of tensors: bits that flip when they are written.
        """
        import tensorflow as tf

        given = dict(zip(self.linear, weights, strict=True))
        values = {self.graph.inputs[0]: q}
        for operator in self.graph.operators:
            read = [values[tensor] for tensor in operator.inputs]
            if isinstance(operator, Linear):
                kernel = tf.reshape(given[operator], operator.weights.shape)
                value = _linear(operator, read[0], kernel)
            else:
                value = _RUNS[type(operator)](operator, *read)
            if masks and operator.output in masks:
                flipped = tf.bitwise.bitwise_xor(tf.cast(value, tf.int8), masks[operator.output])
                value += tf.stop_gradient(tf.cast(flipped, tf.float32) - value)
            values[operator.output] = value
        return values

    def logits(self, values: Mapping[Tensor, Any]) -> Any:
        """Real logits [n, classes] of what `run` gives."""
        import tensorflow as tf

        (output,) = self.graph.outputs
        real = (values[output] - output.grid.zero_point) * np.float32(2.0**output.grid.exponent)
        return tf.reshape(real, (-1, output.size))


def _rounded(operator: Operator, value: Any) -> Any:
    """``value`` in steps of the output's grid, from its zero point -> its stored integers."""
    import tensorflow as tf

    grid = operator.output.grid
    clipped = tf.clip_by_value(value + grid.zero_point, float(grid.minimum), float(grid.maximum))
    return clipped + tf.stop_gradient(tf.floor(clipped + 0.5) - clipped)


def _linear(operator: Linear, q: Any, kernel: Any) -> Any:
    import tensorflow as tf

    x = q - float(operator.source.grid.zero_point)
    if isinstance(operator, Conv2D):
        acc = _convolution(operator, x, tf.transpose(kernel, (1, 2, 3, 0)))
    elif isinstance(operator, DepthwiseConv2D):
        # As groups, for the depthwise kernel knows neither unequal strides nor dilated ones.
        acc = _convolution(operator, x, tf.transpose(kernel, (1, 2, 0, 3)))
    else:
        rows = tf.reshape(x, (-1, *operator.output.shape[:-1], kernel.shape[1]))
        acc = tf.matmul(rows, kernel, transpose_b=True)
    steps = (acc + operator.bias.astype(np.float32)) * np.exp2(-operator.shift).astype(np.float32)
    return _rounded(operator, steps)


def _convolution(operator: Conv2D | DepthwiseConv2D, x: Any, kernel: Any) -> Any:
    """With a column of zeros more where one is left, which oneDNN computes wrongly."""
    import tensorflow as tf

    options: dict[str, Any] = {"strides": operator.strides, "dilations": operator.dilation}
    if operator.output.shape[1] > 1:
        return tf.nn.conv2d(x, kernel, padding=operator.padding, **options)
    window = operator.weights.shape[1:3]
    rows, (left, right) = (0, 0), (0, 0)
    if operator.padding == "SAME":
        sides = zip(x.shape[1:3], window, operator.strides, operator.dilation, strict=True)
        rows, (left, right) = (same_padding(*side) for side in sides)
    x = tf.pad(x, ((0, 0), rows, (left, right + operator.strides[1]), (0, 0)))
    return tf.nn.conv2d(x, kernel, padding="VALID", **options)[:, :, :1]


def _add(operator: Add, a: Any, b: Any) -> Any:
    step = operator.output.grid.exponent
    first, second = (tensor.grid for tensor in operator.inputs)
    total = (a - first.zero_point) * 2.0 ** (first.exponent - step)
    return _rounded(operator, total + (b - second.zero_point) * 2.0 ** (second.exponent - step))


def _max_pool(operator: MaxPool2D, q: Any) -> Any:
    import tensorflow as tf

    return tf.nn.max_pool2d(q, operator.pool, operator.strides, operator.padding)


def _maximum(operator: Maximum, q: Any) -> Any:
    import tensorflow as tf

    return tf.maximum(q, float(operator.bound))


def _pad(operator: Pad, q: Any) -> Any:
    import tensorflow as tf

    zero = float(operator.output.grid.zero_point)
    return tf.pad(q, ((0, 0), *operator.paddings), constant_values=zero)


def _crop(operator: Crop, q: Any) -> Any:
    sizes = operator.inputs[0].shape
    kept = [slice(a, size - b) for (a, b), size in zip(operator.crops, sizes, strict=True)]
    return q[(slice(None), *kept)]


def _transpose(operator: Transpose, q: Any) -> Any:
    import tensorflow as tf

    return tf.transpose(q, (0, *(axis + 1 for axis in operator.axes)))


def _resize_nearest(operator: ResizeNearest, q: Any) -> Any:
    import tensorflow as tf

    rows, columns = operator.factors
    return tf.repeat(tf.repeat(q, rows, axis=1), columns, axis=2)


def _concatenate(operator: Concatenate, *arrays: Any) -> Any:
    import tensorflow as tf

    return tf.concat(arrays, axis=operator.axis + 1)


def _table(operator: Table, q: Any) -> Any:
    import tensorflow as tf

    entries = operator.entries.astype(np.float32)
    channels = len(entries)
    rows = np.arange(operator.output.shape[-1]) if channels > 1 else 0
    places = tf.cast(q, tf.int32) - INT8_MIN + rows * entries.shape[1]
    wide = np.pad(entries, ((0, 0), (1, 1)), mode="edge")
    slopes = (wide[:, 2:] - wide[:, :-2]) / 2
    value = tf.gather(entries.reshape(-1), places)
    slope = tf.gather(slopes.reshape(-1), places)
    return value + slope * (q - tf.stop_gradient(q))


def _reshape(operator: Reshape, q: Any) -> Any:
    import tensorflow as tf

    return tf.reshape(q, (-1, *operator.output.shape))


_RUNS: dict[type[Operator], Callable[..., Any]] = {
    Add: _add,
    MaxPool2D: _max_pool,
    Maximum: _maximum,
    Pad: _pad,
    Reshape: _reshape,
    Crop: _crop,
    Transpose: _transpose,
    ResizeNearest: _resize_nearest,
    Concatenate: _concatenate,
    Table: _table,
}
