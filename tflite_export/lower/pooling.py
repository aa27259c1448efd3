"""Pooling: a maximum moves integers, an average is a depthwise convolution of equal weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.graph import (
    DepthwiseConv2D,
    Linear,
    MaxPool2D,
    Operator,
    Pair,
    Reshape,
    Tensor,
    pair,
)
from tflite_export.grid import IntArray
from tflite_export.lower.builder import Builder
from tflite_export.lower.linear import linear
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import Result, Value
from tflite_export.reference import same_padding


@lowers("keras.MaxPooling2D")
def _max_pooling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    return max_pool(
        inputs[0],
        builder,
        name=layer.name,
        pool=pair(layer.pool_size),
        strides=pair(layer.strides),
        padding=layer.padding.upper(),
    )


@lowers("keras.GlobalMaxPooling2D")
def _global_max_pooling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    height, width, channels = inputs[0].shape
    window = (height, width)
    pooled = max_pool(inputs[0], builder, name=layer.name, pool=window, strides=window)
    return pooled if layer.keepdims else flatten(pooled, builder, name=f"{layer.name}_flat")


@lowers("keras.AveragePooling2D")
def _average_pooling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    pool, strides = pair(layer.pool_size), pair(layer.strides)
    if layer.padding == "same" and any(
        sum(same_padding(size, p, s))
        for size, p, s in zip(inputs[0].shape[:2], pool, strides, strict=True)
    ):
        raise ExportError(
            f"Layer '{layer.name}': windows at the border average fewer values. Use "
            f"padding='valid'."
        )
    share = np.float32(1) / np.float32(pool[0] * pool[1])
    return average_pool(
        inputs[0], builder, name=layer.name, pool=pool, strides=strides, share=float(share)
    )


@lowers("keras.GlobalAveragePooling2D")
def _global_average_pooling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    height, width, _ = inputs[0].shape
    share = float(np.float32(1) / np.float32(height * width))
    return global_average_pool(
        inputs[0], builder, name=layer.name, share=share, keepdims=layer.keepdims
    )


def global_average_pool(
    value: Value, builder: Builder, *, name: str, share: float, keepdims: bool
) -> Value:
    """``share * sum`` over height and width."""
    window = (value.shape[0], value.shape[1])
    pooled = average_pool(value, builder, name=name, pool=window, strides=window, share=share)
    return pooled if keepdims else flatten(pooled, builder, name=f"{name}_flat")


def average_pool(
    value: Value, builder: Builder, *, name: str, pool: Pair, strides: Pair, share: float
) -> Value:
    """``share * sum`` over every window; exact when ``share`` has few bits, as 1/64 has.

    AVERAGE_POOL_2D rounds half away from zero and MEAN rounds wrongly, so neither is used.
    """
    source = builder.on_grid(value, reader=name)
    height, width, channels = source.shape
    if np.frexp(share)[0] * 2**7 % 1:
        builder.inexact(
            f"Layer '{name}': {pool[0]} x {pool[1]} values have no power-of-two average. "
            f"qrobust.layers.IntegerGlobalAveragePooling2D has an exact one"
        )

    def make(x: Tensor, y: Tensor, w: IntArray, e: IntArray, b: IntArray) -> Linear:
        return DepthwiseConv2D(
            inputs=(x,), output=y, weights=w[None], weight_exponents=e, bias=b, strides=strides
        )

    shape = (
        (height - pool[0]) // strides[0] + 1,
        (width - pool[1]) // strides[1] + 1,
        channels,
    )
    kernel = np.full((*pool, channels), share)
    return linear(name, source, shape, kernel, np.zeros(channels), make, builder)


def max_pool(
    value: Value,
    builder: Builder,
    *,
    name: str,
    pool: Pair,
    strides: Pair,
    padding: str = "VALID",
) -> Value:
    """The maximum of every window: commutes with any quantizer, so it can come before it."""
    sizes = []
    for size, window, stride in zip(value.shape[:2], pool, strides, strict=True):
        pad = same_padding(size, window, stride) if padding == "SAME" else (0, 0)
        sizes.append((size + sum(pad) - window) // stride + 1)

    def operator(source: Tensor, output: Tensor) -> Operator:
        return MaxPool2D(
            inputs=(source,), output=output, pool=pool, strides=strides, padding=padding
        )

    return builder.move(value, name=name, shape=(*sizes, value.shape[2]), operator=operator)


def flatten(value: Value, builder: Builder, *, name: str) -> Value:
    """(1, 1, channels) -> (channels,)."""
    return builder.move(
        value,
        name=name,
        shape=(value.shape[-1],),
        operator=lambda source, output: Reshape(inputs=(source,), output=output),
    )
