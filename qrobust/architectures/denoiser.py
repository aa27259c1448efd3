"""A small network from noisy pictures to pictures."""

import keras

from qrobust.architectures import _blocks


def denoiser(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    *,
    width: int = 16,
    depth: int = 2,
    input_scale: float = 2**-8,
) -> keras.Model:
    """3 x 3 convolutions whose result is added to the picture: ``clip(x + residual(x))``.

    The last convolution starts at zero, so an untrained denoiser is the identity. Its outputs are
    pixels again, on the grid of its inputs where the layer ``pixels`` gets 8 activation bits: a
    network that takes pixels can stand behind it (``qrobust.quantization.in_front``).

    Args:
        input_shape: Height, width, channels of one picture.
        width: Channels of the convolutions between.
        depth: How many of those.
        input_scale: Worth of one pixel step inside, a power of two.

    Returns:
        Model from integers ``(batch, *input_shape)`` (pixels 0..255) to pixels of the same shape.

    Raises:
        ValueError: A shape, count or scale out of range.

    Source:
        Denoised smoothing puts a denoiser in front of a given classifier: Salman et al., NeurIPS
        2020; the residual form is DnCNN's (Zhang et al., 2017).
    """
    _blocks.check_count("width", width)
    _blocks.check_count("depth", depth)
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    y = x
    for number in range(1, depth + 1):
        y = _blocks.conv(y, width, 3, f"block{number}", batch_norm=False)
    y = keras.layers.Conv2D(
        input_shape[-1], 3, padding="same", kernel_initializer="zeros", name="residual"
    )(y)
    x = keras.layers.Add(name="sum")([x, y])
    x = keras.layers.ReLU(max_value=255 * input_scale, name="pixels")(x)
    x = keras.layers.Rescaling(1 / input_scale, name="output_scale")(x)
    return keras.Model(inputs, x, name="denoiser")
