"""ResNet-20, the residual network that CIFAR-10 results are usually compared on."""

import keras

from qrobust.architectures import _blocks


def resnet20(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    *,
    width: int = 16,
    blocks: int = 3,
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """ResNet-20 for CIFAR-10: 274,442 parameters at the defaults.

    A 3 x 3 stem, then three stages of `width`, 2 `width` and 4 `width` channels, each of `blocks`
    residual blocks with two 3 x 3 convolutions; the first blocks of stages 2 and 3 halve the
    picture and have a 1 x 1 convolution, without batch norm, on the shortcut.  Average over the
    picture (8 x 8 = 64 places), dense.  The network has `6 * blocks + 2` layers on its long road.

    The paper's shortcut drops every other pixel and pads with zero channels; the convolution here
    is its option B.  Weights are drawn from Keras's generator: `keras.utils.set_random_seed`
    repeats them.

    Args:
        input_shape: Height, width, channels of one picture.
        classes: Number of logits, at least 2.
        width: Channels of the first stage.
        blocks: Residual blocks in each stage: 3 for ResNet-20, 5 for ResNet-32, 9 for ResNet-56.
        input_scale: Worth of one pixel step, a power of two; None leaves the scaling out.
        batch_norm: Whether batch norm follows the 3 x 3 convolutions.

    Returns:
        Model from integers `(batch, *input_shape)` (pixels 0..255) to logits `(batch, classes)`.

    Raises:
        ValueError: A shape, count or scale out of range.

    Source:
        He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2.
    """
    _blocks.check_count("classes", classes, least=2)
    _blocks.check_count("width", width)
    _blocks.check_count("blocks", blocks)
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    x = _blocks.conv(x, width, 3, "stem", batch_norm=batch_norm)
    for stage in (1, 2, 3):
        for block in range(1, blocks + 1):
            name = f"stage{stage}_block{block}"
            x = _block(x, width << (stage - 1), name, batch_norm=batch_norm)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(classes, kernel_initializer="he_normal", name="logits")(x)
    return keras.Model(inputs, x, name="resnet20")


def _block(x: keras.KerasTensor, filters: int, name: str, *, batch_norm: bool) -> keras.KerasTensor:
    """Residual block; one that changes the number of channels also halves the picture."""
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
