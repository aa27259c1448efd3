"""Pooling: a maximum moves integers, an average is a depthwise convolution of equal weights."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tflite_export.geometry import same_padding
from tflite_export.graph import MaxPool2D, Operator, Pair, Reshape, Tensor, pair
from tflite_export.lower.activation import apply_activation
from tflite_export.lower.builder import Builder
from tflite_export.lower.keras_weights import real
from tflite_export.lower.padded_average import padded_average, parts
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import Result, Value
from tflite_export.lower.weighted import Geometry, depthwise_conv2d


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
    pool = pair(layer.pool_size)
    return average_pool(
        inputs[0],
        builder,
        name=layer.name,
        pool=pool,
        strides=pair(layer.strides),
        padding=layer.padding.upper(),
        share=reciprocal,
    )


@lowers("qkeras.QAveragePooling2D")
def _quantized_average_pooling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    pool = pair(layer.pool_size)
    average = average_pool(
        inputs[0],
        builder,
        name=layer.name,
        pool=pool,
        strides=pair(layer.strides),
        padding=layer.padding.upper(),
        share=_quantized_share(layer, pool[0] * pool[1]),
    )
    return apply_activation(average, layer.activation, name=layer.name, builder=builder)


@lowers("qkeras.QGlobalAveragePooling2D")
def _quantized_global_average(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    count = inputs[0].shape[0] * inputs[0].shape[1]
    share = _quantized_share(layer, count)(count)
    average = global_average_pool(
        inputs[0], builder, name=layer.name, share=share, keepdims=layer.keepdims
    )
    return apply_activation(average, layer.activation, name=layer.name, builder=builder)


@lowers("keras.GlobalAveragePooling2D")
def _global_average_pooling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    height, width, _ = inputs[0].shape
    return global_average_pool(
        inputs[0],
        builder,
        name=layer.name,
        share=reciprocal(height * width),
        keepdims=layer.keepdims,
    )


def global_average_pool(
    value: Value, builder: Builder, *, name: str, share: float, keepdims: bool
) -> Value:
    """``share * sum`` over height and width."""
    window = (value.shape[0], value.shape[1])
    pooled = average_pool(
        value, builder, name=name, pool=window, strides=window, share=lambda count: share
    )
    return pooled if keepdims else flatten(pooled, builder, name=f"{name}_flat")


def average_pool(
    value: Value,
    builder: Builder,
    *,
    name: str,
    pool: Pair,
    strides: Pair,
    share: Callable[[int], float],
    padding: str = "VALID",
) -> Value:
    """``share(count) * sum`` over every window; exact when shares have few bits, as 1/64 has.

    AVERAGE_POOL_2D rounds half away from zero and MEAN rounds wrongly, so neither is used.
    """
    source = builder.on_grid(value, reader=name)
    channels = source.shape[2]
    counts = {pool[0] * pool[1]}
    border = padding == "SAME" and any(
        sum(same_padding(size, window, stride))
        for size, window, stride in zip(source.shape[:2], pool, strides, strict=True)
    )
    if border:
        rows, columns = (
            {part.window for part in parts(*along)}
            for along in zip(source.shape[:2], pool, strides, strict=True)
        )
        counts = {row * column for row in rows for column in columns}
    for count in sorted(counts, reverse=True):
        if np.frexp(share(count))[0] * 2**7 % 1:
            builder.inexact(
                f"Layer '{name}': windows of {pool[0]} x {pool[1]} that average {count} values "
                f"have no power-of-two average. qrobust.layers.IntegerGlobalAveragePooling2D has "
                f"an exact one for a whole picture" + border * "; padding='valid' has one count"
            )
    if border:
        return padded_average(source, builder, name=name, pool=pool, strides=strides, share=share)
    kernel = np.full((*pool, channels, 1), share(pool[0] * pool[1]))
    geometry = Geometry(strides=strides)
    return depthwise_conv2d(name, source, kernel, np.zeros(channels), geometry, builder)


def reciprocal(count: int) -> float:
    """``1 / count`` as Keras's float32 has it."""
    return float(np.float32(1) / np.float32(count))


def _quantized_share(layer: Any, area: int) -> Callable[[int], float]:
    """Of QKeras's average: values times the area, averaged, times the quantized 1 / area."""
    quantizer = layer.average_quantizer_internal
    if quantizer is None:
        return reciprocal
    factor = float(real(quantizer(1.0 / area)))
    return lambda count: factor * area / count


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
