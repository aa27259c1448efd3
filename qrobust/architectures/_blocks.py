"""The pieces that the networks share: checked inputs, and linear layer + batch norm + ReLU.

No layer is new here; the layers are Keras's own, with names that read well in a report.
"""

import math
from collections.abc import Sequence

import keras


def check_count(name: str, value: int, *, least: int = 1) -> None:
    """Raise `ValueError` unless `value` is an int of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{name}` has to be an int of at least {least}. Received: {name}={value!r}"
        )


def inputs_of(
    input_shape: Sequence[int], input_scale: float | None, *, rank: int
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Input tensor, and the same after the power-of-two scaling.

    Args:
        input_shape: Shape of one example, `rank` positive ints.
        input_scale: What one step of the integer input is worth; a power of two, so that the
            scaling is exact in float32 and becomes the scale of the exported input.  None: no
            scaling layer.
        rank: Number of axes of one example.

    Returns:
        `(inputs, x)`: the `keras.Input` and the tensor to build on.

    Raises:
        ValueError: The shape has another rank or a size that is no positive int, or the scale is
            no power of two.
    """
    shape = tuple(input_shape)
    if len(shape) != rank or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(
            f"`input_shape` has to be {rank} positive ints. Received: input_shape={input_shape!r}"
        )
    inputs = keras.Input(shape, name="input")
    if input_scale is None:
        return inputs, inputs
    if not (0 < input_scale < math.inf and math.frexp(input_scale)[0] == 0.5):
        raise ValueError(
            "`input_scale` has to be a power of two, or None for no scaling. "
            f"Received: input_scale={input_scale!r}"
        )
    return inputs, keras.layers.Rescaling(input_scale, name="input_scale")(inputs)


def normalized(
    x: keras.KerasTensor, name: str, *, batch_norm: bool, relu: bool = True
) -> keras.KerasTensor:
    """Batch norm (when asked for) and ReLU (when asked for) after a linear layer."""
    if batch_norm:
        x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
    if relu:
        x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
    return x


def conv(
    x: keras.KerasTensor,
    filters: int,
    kernel: int | tuple[int, int],
    name: str,
    *,
    strides: int = 1,
    batch_norm: bool,
    relu: bool = True,
) -> keras.KerasTensor:
    """Convolution with bias and "same" padding, batch norm, ReLU."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return normalized(x, name, batch_norm=batch_norm, relu=relu)


def depthwise(
    x: keras.KerasTensor, name: str, *, strides: int = 1, batch_norm: bool
) -> keras.KerasTensor:
    """3 x 3 depthwise convolution with bias and "same" padding, batch norm, ReLU."""
    x = keras.layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding="same",
        # Keras counts all channels as fan-in of a depthwise kernel, so its "he_normal" is too
        # small by sqrt(channels).  One output sees 9 inputs.
        depthwise_initializer=keras.initializers.RandomNormal(stddev=math.sqrt(2 / 9)),
        name=f"{name}_depthwise",
    )(x)
    return normalized(x, name, batch_norm=batch_norm)


def dense(x: keras.KerasTensor, units: int, name: str, *, batch_norm: bool) -> keras.KerasTensor:
    """Dense layer with bias, batch norm, ReLU."""
    x = keras.layers.Dense(units, kernel_initializer="he_normal", name=f"{name}_dense")(x)
    return normalized(x, name, batch_norm=batch_norm)
