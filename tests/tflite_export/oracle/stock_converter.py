"""An exporter that nobody here wrote: TensorFlow's own, on the same network in plain TF operators.

The integer graph says which real numbers every tensor may hold. ``convert`` writes that down as a
float TensorFlow function whose ``fake_quant`` ranges are those grids, and leaves the rest (reading
integers off the floats, quantizing biases, fusing, choosing kernels, the file) to
``tf.lite.TFLiteConverter``.

What it has to be told in other words than the obvious ones:

* A matrix product with a scale per channel: the converter transposes the weights and then rejects
  its own result ("mismatched quantized axes"). A 1 x 1 convolution says the same.
* ``fake_quant`` counts channels on the last axis only, so a depthwise kernel is quantized flat and
  reshaped to channels and multiplier afterwards.
* A maximum with zero becomes a RELU, which does not inherit its input's grid: it gets its own.

Biases need no ``fake_quant``: the converter quantizes them onto input scale times weight scale.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    ResizeNearest,
    Transpose,
)
from tflite_export.grid import INT8_MAX, INT8_MIN, FloatArray, Grid, IntArray


def convert(graph: IntegerGraph) -> bytes:
    """The ``.tflite`` that the stock converter makes of a graph, int8 in and int8 out."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((1, *t.shape), name=t.name) for t in graph.inputs])
    def rebuilt(*inputs: Any) -> list[Any]:
        values = {t: on_grid(x, t.grid) for t, x in zip(graph.inputs, inputs, strict=True)}
        for operator in graph.operators:
            arguments = [values[tensor] for tensor in operator.inputs]
            values[operator.output] = REBUILD[type(operator)](operator, *arguments)
        return [values[tensor] for tensor in graph.outputs]

    module.rebuilt = rebuilt
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [rebuilt.get_concrete_function()], module
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def on_grid(x: Any, grid: Grid) -> Any:
    """All of int8: a grid's lower clip is the activation before."""
    low, high = ((q - grid.zero_point) * grid.step for q in (INT8_MIN, INT8_MAX))
    return tf.quantization.fake_quant_with_min_max_vars(x, low, high)


def weights_on_grid(weights: FloatArray, exponents: IntArray) -> Any:
    """Real weights, channels last, with the steps ``2**exponents``."""
    largest = (127 * 2.0**exponents).astype(np.float32)
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        weights.astype(np.float32), -largest, largest, narrow_range=True
    )


def _clipped(x: Any, grid: Grid) -> Any:
    if grid.minimum == INT8_MIN:
        return x
    if grid.is_unsigned:
        return tf.nn.relu(x)
    if grid.low == -1.0:
        return tf.minimum(tf.maximum(x, -1.0), 1.0)
    raise ValueError(f"No fused activation clips to {grid}.")


def _rounded(x: Any, operator: Operator) -> Any:
    return on_grid(_clipped(x, operator.output.grid), operator.output.grid)


def _with_bias(x: Any, operator: Linear) -> Any:
    steps = 2.0 ** (operator.weight_exponents + operator.source.grid.exponent)
    return _rounded(tf.nn.bias_add(x, (operator.bias * steps).astype(np.float32)), operator)


def _conv2d(operator: Conv2D, x: Any) -> Any:
    exponents = operator.weight_exponents
    hwio = operator.weights.transpose(1, 2, 3, 0) * 2.0**exponents
    y = tf.nn.conv2d(
        x,
        weights_on_grid(hwio, exponents),
        operator.strides,
        operator.padding,
        dilations=operator.dilation,
    )
    return _with_bias(y, operator)


def _depthwise_conv2d(operator: DepthwiseConv2D, x: Any) -> Any:
    exponents = operator.weight_exponents
    hwc = operator.weights[0] * 2.0**exponents
    kernel = tf.reshape(weights_on_grid(hwc, exponents), (*hwc.shape[:2], -1, operator.multiplier))
    y = tf.nn.depthwise_conv2d(
        x, kernel, (1, *operator.strides, 1), operator.padding, dilations=operator.dilation
    )
    return _with_bias(y, operator)


def _fully_connected(operator: FullyConnected, x: Any) -> Any:
    exponents = operator.weight_exponents
    kernel = weights_on_grid((operator.weights.T * 2.0**exponents)[None, None], exponents)
    *positions, features = operator.source.shape
    y = tf.nn.conv2d(tf.reshape(x, (-1, 1, prod(positions), features)), kernel, 1, "VALID")
    return tf.reshape(_with_bias(y, operator), (-1, *operator.output.shape))


def _add(operator: Add, a: Any, b: Any) -> Any:
    return _rounded(a + b, operator)


def _max_pool(operator: MaxPool2D, x: Any) -> Any:
    return tf.nn.max_pool2d(x, operator.pool, operator.strides, operator.padding)


def _maximum(operator: Maximum, x: Any) -> Any:
    return on_grid(tf.maximum(x, operator.output.grid.low), operator.output.grid)


def _pad(operator: Pad, x: Any) -> Any:
    return tf.pad(x, ((0, 0), *operator.paddings))


def _reshape(operator: Reshape, x: Any) -> Any:
    return tf.reshape(x, (-1, *operator.output.shape))


def _crop(operator: Crop, x: Any) -> Any:
    sizes = operator.inputs[0].shape
    kept = [slice(a, size - b) for (a, b), size in zip(operator.crops, sizes, strict=True)]
    return x[(slice(None), *kept)]


def _transpose(operator: Transpose, x: Any) -> Any:
    return tf.transpose(x, (0, *(axis + 1 for axis in operator.axes)))


def _resize_nearest(operator: ResizeNearest, x: Any) -> Any:
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=operator.output.shape[:2])


def _concatenate(operator: Concatenate, *tensors: Any) -> Any:
    return tf.concat(tensors, operator.axis + 1)


REBUILD: dict[type[Operator], Callable[..., Any]] = {
    Conv2D: _conv2d,
    DepthwiseConv2D: _depthwise_conv2d,
    FullyConnected: _fully_connected,
    Add: _add,
    MaxPool2D: _max_pool,
    Maximum: _maximum,
    Pad: _pad,
    Reshape: _reshape,
    Crop: _crop,
    Transpose: _transpose,
    ResizeNearest: _resize_nearest,
    Concatenate: _concatenate,
}
