"""Layers that only move integers, and those that do nothing in inference."""

from collections.abc import Sequence
from math import prod
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.graph import Crop, Pad, Reshape, ResizeNearest, Transpose, pair
from tflite_export.lower.builder import Builder
from tflite_export.lower.registry import lowers
from tflite_export.lower.values import Result, Value


@lowers(
    "keras.Dropout",
    "keras.SpatialDropout1D",
    "keras.SpatialDropout2D",
    "keras.GaussianDropout",
    "keras.GaussianNoise",
    "keras.AlphaDropout",
    "keras.ActivityRegularization",
    "keras.Identity",
    "keras.RandomBrightness",
    "keras.RandomContrast",
    "keras.RandomFlip",
    "keras.RandomRotation",
    "keras.RandomTranslation",
    "keras.RandomZoom",
)
def _vanish(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    return inputs[0]


@lowers("keras.Flatten")
def _flatten(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    value = inputs[0]
    if layer.data_format == "channels_first" and len(value.shape) > 1:
        # Keras moves the channels to the end before it flattens.
        axes = (*range(1, len(value.shape)), 0)
        value = builder.move(
            value,
            name=f"{layer.name}_channels_last",
            shape=tuple(value.shape[axis] for axis in axes),
            operator=lambda source, output: Transpose(inputs=(source,), output=output, axes=axes),
        )
    return _reshaped(value, (prod(value.shape),), layer.name, builder)


@lowers("keras.Reshape")
def _reshape(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    shape = tuple(int(size) for size in layer.target_shape)
    if -1 in shape:
        known = -prod(shape)
        shape = tuple(prod(inputs[0].shape) // known if s == -1 else s for s in shape)
    return _reshaped(inputs[0], shape, layer.name, builder)


@lowers("keras.ZeroPadding2D")
def _zero_padding(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    rows, columns = pair(layer.padding[0]), pair(layer.padding[1])
    height, width, channels = inputs[0].shape
    return builder.move(
        inputs[0],
        name=layer.name,
        shape=(height + sum(rows), width + sum(columns), channels),
        operator=lambda source, output: Pad(
            inputs=(source,), output=output, paddings=(rows, columns, (0, 0))
        ),
    )


@lowers("keras.Cropping2D")
def _cropping(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    crops = (pair(layer.cropping[0]), pair(layer.cropping[1]), (0, 0))
    sizes = zip(inputs[0].shape, crops, strict=True)
    return builder.move(
        inputs[0],
        name=layer.name,
        shape=tuple(size - sum(crop) for size, crop in sizes),
        operator=lambda source, output: Crop(inputs=(source,), output=output, crops=crops),
    )


@lowers("keras.RandomCrop")
def _random_crop(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    height, width, _ = inputs[0].shape
    if (height, width) == (layer.height, layer.width):
        return inputs[0]
    raise ExportError(
        f"Layer '{layer.name}': RandomCrop from {height} x {width} to {layer.height} x "
        f"{layer.width} does one thing in training and another in inference. Crop the data, or use "
        f"Cropping2D."
    )


@lowers("keras.Permute")
def _permute(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    axes = tuple(axis - 1 for axis in layer.dims)
    return builder.move(
        inputs[0],
        name=layer.name,
        shape=tuple(inputs[0].shape[axis] for axis in axes),
        operator=lambda source, output: Transpose(inputs=(source,), output=output, axes=axes),
    )


@lowers("keras.UpSampling2D")
def _up_sampling(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    if layer.interpolation != "nearest":
        raise ExportError(
            f"Layer '{layer.name}': interpolation='{layer.interpolation}' rounds differently on "
            f"every kernel. Use 'nearest'."
        )
    factors = pair(layer.size)
    height, width, channels = inputs[0].shape
    return builder.move(
        inputs[0],
        name=layer.name,
        shape=(height * factors[0], width * factors[1], channels),
        operator=lambda source, output: ResizeNearest(
            inputs=(source,), output=output, factors=factors
        ),
    )


def _reshaped(value: Value, shape: tuple[int, ...], name: str, builder: Builder) -> Value:
    if shape == value.shape:
        return value
    return builder.move(
        value,
        name=name,
        shape=shape,
        operator=lambda source, output: Reshape(inputs=(source,), output=output),
    )
