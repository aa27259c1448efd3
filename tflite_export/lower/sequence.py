"""One-dimensional layers: a sequence is a picture of height 1."""

from collections.abc import Sequence
from typing import Any

from tflite_export.graph import Pad, Reshape
from tflite_export.grid import FloatArray
from tflite_export.lower.activation import apply_activation
from tflite_export.lower.builder import Builder
from tflite_export.lower.keras_weights import bias_of, kernel_of, quantized
from tflite_export.lower.linear import check_channels_last, merged_separable, ungrouped
from tflite_export.lower.pooling import average_pool, flatten, max_pool, reciprocal
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import Result, Value
from tflite_export.lower.weighted import Geometry, conv2d


@lowers("keras.Conv1D", "qkeras.QConv1D")
def _conv1d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    return _convolved(layer, inputs[0], builder, kernel_of(layer))


@lowers("keras.SeparableConv1D", "qkeras.QSeparableConv1D")
def _separable_conv1d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    depthwise = quantized(layer, "depthwise", layer.depthwise_kernel[None])
    pointwise = quantized(layer, "pointwise", layer.pointwise_kernel[None])
    return _convolved(layer, inputs[0], builder, merged_separable(depthwise, pointwise[0, 0])[0])


@lowers("keras.MaxPooling1D")
def _max_pooling1d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    pooled = max_pool(
        as_picture(inputs[0], builder, name=layer.name),
        builder,
        name=layer.name,
        pool=(1, layer.pool_size[0]),
        strides=(1, layer.strides[0]),
        padding=layer.padding.upper(),
    )
    return as_sequence(pooled, builder, name=layer.name)


@lowers("keras.AveragePooling1D")
def _average_pooling1d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    pooled = average_pool(
        as_picture(inputs[0], builder, name=layer.name),
        builder,
        name=layer.name,
        pool=(1, layer.pool_size[0]),
        strides=(1, layer.strides[0]),
        padding=layer.padding.upper(),
        share=reciprocal,
    )
    return as_sequence(pooled, builder, name=layer.name)


@lowers("keras.GlobalMaxPooling1D")
def _global_max_pooling1d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    picture = as_picture(inputs[0], builder, name=layer.name)
    window = (1, picture.shape[1])
    pooled = max_pool(picture, builder, name=layer.name, pool=window, strides=window)
    return _global(layer, pooled, builder)


@lowers("keras.GlobalAveragePooling1D")
def _global_average_pooling1d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    picture = as_picture(inputs[0], builder, name=layer.name)
    window = (1, picture.shape[1])
    pooled = average_pool(
        picture, builder, name=layer.name, pool=window, strides=window, share=reciprocal
    )
    return _global(layer, pooled, builder)


@lowers("keras.ZeroPadding1D")
def _zero_padding1d(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    before, after = layer.padding
    return _padded(inputs[0], builder, layer.name, before, after)


def as_picture(value: Value, builder: Builder, *, name: str) -> Value:
    """(length, channels) -> (1, length, channels)."""
    return _reshaped(value, (1, *value.shape), f"{name}_picture", builder)


def as_sequence(value: Value, builder: Builder, *, name: str) -> Value:
    """(1, length, channels) -> (length, channels)."""
    return _reshaped(value, value.shape[1:], f"{name}_sequence", builder)


def _convolved(layer: Any, value: Value, builder: Builder, kernel: FloatArray) -> Result:
    check_channels_last(layer)
    kernel = ungrouped(kernel, getattr(layer, "groups", 1))
    dilation, padding = layer.dilation_rate[0], layer.padding.upper()
    if padding == "CAUSAL":
        before = (kernel.shape[0] - 1) * dilation
        value = _padded(value, builder, f"{layer.name}_causal", before, 0)
        padding = "VALID"
    geometry = Geometry((1, layer.strides[0]), (1, dilation), padding)
    picture = as_picture(value, builder, name=layer.name)
    source = builder.on_grid(picture, reader=layer.name)
    bias = bias_of(layer, kernel.shape[-1])
    waiting = conv2d(layer.name, source, kernel[None], bias, geometry, builder)
    sequence = as_sequence(waiting, builder, name=layer.name)
    return apply_activation(sequence, layer.activation, name=layer.name, builder=builder)


def _global(layer: Any, pooled: Value, builder: Builder) -> Value:
    if layer.keepdims:
        return as_sequence(pooled, builder, name=layer.name)
    return flatten(pooled, builder, name=f"{layer.name}_flat")


def _padded(value: Value, builder: Builder, name: str, before: int, after: int) -> Value:
    length, channels = value.shape
    return builder.move(
        value,
        name=name,
        shape=(length + before + after, channels),
        operator=lambda source, output: Pad(
            inputs=(source,), output=output, paddings=((before, after), (0, 0))
        ),
    )


def _reshaped(value: Value, shape: tuple[int, ...], name: str, builder: Builder) -> Value:
    return builder.move(
        value,
        name=name,
        shape=shape,
        operator=lambda source, output: Reshape(inputs=(source,), output=output),
        keeps_channels=True,
    )
