"""A small network whose outputs intervals can bound: few layers, early strides."""

import keras

from qrobust.architectures import _blocks


def proof_cnn(
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    *,
    width: int = 16,
    kernel: int = 5,
    units: int = 64,
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """Two strided convolutions and two dense layers: 114,762 parameters at the defaults.

    Boxes forget how numbers depend on each other in every layer, so a network for proofs has few of
    them, and its kernels stride, so that an input is read by few sums. In the manner of the small
    network of Gowal et al. 2018.

    Args:
        input_shape: Height, width, channels of one picture.
        classes: Number of logits, at least 2.
        width: Channels of the first convolution; the second has twice as many.
        kernel: Height and width of their kernels.
        units: Of the first dense layer.
        batch_norm: Whether batch norm follows all layers but the last; networks for proofs train
            well without.
        input_scale: Worth of one pixel step, a power of two; None leaves the scaling out.

    Returns:
        Model from integers `(batch, *input_shape)` (pixels 0..255) to logits `(batch, classes)`.

    Raises:
        ValueError: A shape, count or scale out of range.
    """
    _blocks.check_count("classes", classes, least=2)
    _blocks.check_count("width", width)
    _blocks.check_count("kernel", kernel)
    _blocks.check_count("units", units)
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    x = _blocks.conv(x, width, kernel, "block1", strides=2, batch_norm=batch_norm)
    x = _blocks.conv(x, 2 * width, kernel, "block2", strides=2, batch_norm=batch_norm)
    x = keras.layers.Flatten(name="flatten")(x)
    x = _blocks.dense(x, units, "block3", batch_norm=batch_norm)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, x, name="proof_cnn")
