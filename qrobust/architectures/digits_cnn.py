"""A small network for scikit-learn's 8 x 8 digits."""

import keras

from qrobust.architectures import _blocks


def digits_cnn(
    input_shape: tuple[int, int, int] = (8, 8, 1),
    classes: int = 10,
    *,
    width: int = 16,
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """Three 3 x 3 convolutions and a dense layer: 15,658 parameters at the defaults.

    The last two convolutions halve the picture; the 2 x 2 places left are flattened rather than
    averaged, so the network has linear layers and ReLU only.

    Args:
        input_shape: Height, width, channels of one picture.
        classes: Number of logits, at least 2.
        width: Channels of the first convolution; the others have twice as many.
        input_scale: Worth of one pixel step, a power of two; None leaves the scaling out.
        batch_norm: Whether batch norm follows the convolutions.

    Returns:
        Model from integers `(batch, *input_shape)` (pixels 0..255) to logits `(batch, classes)`.

    Raises:
        ValueError: A shape, count or scale out of range.
    """
    _blocks.check_count("classes", classes, least=2)
    _blocks.check_count("width", width)
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    x = _blocks.conv(x, width, 3, "block1", batch_norm=batch_norm)
    x = _blocks.conv(x, 2 * width, 3, "block2", strides=2, batch_norm=batch_norm)
    x = _blocks.conv(x, 2 * width, 3, "block3", strides=2, batch_norm=batch_norm)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, x, name="digits_cnn")
