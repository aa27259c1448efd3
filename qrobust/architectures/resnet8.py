"""ResNet-8, the image classification network of MLPerf Tiny."""

import keras

from qrobust.architectures import _blocks


def resnet8(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    *,
    width: int = 16,
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """ResNet-8 for CIFAR-10: 78,666 parameters at the defaults.

    A 3 x 3 stem, then three residual stages of `width`, 2 `width` and 4 `width` channels with two
    3 x 3 convolutions each; stages 2 and 3 halve the picture and have a 1 x 1 convolution, without
    batch norm, on the shortcut.  Average over the picture (8 x 8 = 64 places), dense.

    The reference trains with L2 1e-4 on the convolution kernels; here there is none.
    Weights are drawn from Keras's generator: `keras.utils.set_random_seed` repeats them.

    Args:
        input_shape: Height, width, channels of one picture.
        classes: Number of logits, at least 2.
        width: Channels of the first stage.
        input_scale: Worth of one pixel step, a power of two; None leaves the scaling out.
        batch_norm: Whether batch norm follows the convolutions.

    Returns:
        Model from integers `(batch, *input_shape)` (pixels 0..255) to logits `(batch, classes)`.

    Raises:
        ValueError: A shape, count or scale out of range.

    Source:
        mlcommons/tiny, training/image_classification/keras_model.py, `resnet_v1_eembc`.
    """
    _blocks.check_count("classes", classes, least=2)
    _blocks.check_count("width", width)
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    x = _blocks.conv(x, width, 3, "stem", batch_norm=batch_norm)
    for stage in (1, 2, 3):
        x = _stage(x, width << (stage - 1), f"stage{stage}", batch_norm=batch_norm)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(classes, kernel_initializer="he_normal", name="logits")(x)
    return keras.Model(inputs, x, name="resnet8")


def _stage(x: keras.KerasTensor, filters: int, name: str, *, batch_norm: bool) -> keras.KerasTensor:
    """Residual stage; a stage that changes the number of channels also halves the picture."""
    halves = x.shape[-1] != filters
    strides = 2 if halves else 1
    y = _blocks.conv(x, filters, 3, f"{name}_a", strides=strides, batch_norm=batch_norm)
    y = _blocks.conv(y, filters, 3, f"{name}_b", batch_norm=batch_norm, relu=False)
    if halves:
        x = _blocks.conv(
            x, filters, 1, f"{name}_shortcut", strides=strides, batch_norm=False, relu=False
        )
    x = keras.layers.Add(name=f"{name}_add")([x, y])
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)
