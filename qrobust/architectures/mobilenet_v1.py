"""MobileNetV1, the visual wake words network of MLPerf Tiny."""

import keras

from qrobust.architectures import _blocks

# Channels (at alpha = 1) and stride of the thirteen separable blocks.
_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
    (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet_v1(
    input_shape: tuple[int, int, int] = (96, 96, 3),
    classes: int = 2,
    *,
    alpha: float = 0.25,
    stem_strides: int = 2,
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """MobileNetV1: 221,794 parameters at the defaults.

    A 3 x 3 convolution with stride 2, thirteen blocks of 3 x 3 depthwise and 1 x 1 convolution,
    the average over the picture (3 x 3 = 9 places, no power of two), dense.  As in the reference:
    ReLU where the paper has ReLU6, "same" padding, no dropout.

    The reference trains with L2 1e-4 on the kernels; here there is none.

    Args:
        input_shape: Height, width, channels of one picture.
        classes: Number of logits, at least 2.
        alpha: Share of the paper's channels, in (0, 1]; every width has to stay an integer.
        stem_strides: Of the first convolution; 1 for small pictures, of which the paper's 2 leaves
            the last blocks a single place (32 x 32 pixels: 2 x 2 places with 1).
        input_scale: Worth of one pixel step, a power of two; None leaves the scaling out.
        batch_norm: Whether batch norm follows the convolutions.

    Returns:
        Model from integers `(batch, *input_shape)` (pixels 0..255) to logits `(batch, classes)`.

    Raises:
        ValueError: A shape, count, stride or scale out of range, or an `alpha` that leaves a
            fraction of a channel.

    Source:
        mlcommons/tiny, training/visual_wake_words/vww_model.py; Howard et al. 2017.
    """
    _blocks.check_count("classes", classes, least=2)
    if not 0 < alpha <= 1 or not (32 * alpha).is_integer():
        raise ValueError(
            f"`alpha` has to lie in (0, 1] and be a multiple of 1/32. Received: alpha={alpha!r}"
        )
    if stem_strides not in (1, 2):
        raise ValueError(f"`stem_strides` is 1 or 2. Received: stem_strides={stem_strides!r}")
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    x = _blocks.conv(x, int(32 * alpha), 3, "stem", strides=stem_strides, batch_norm=batch_norm)
    for number, (channels, strides) in enumerate(_BLOCKS, start=1):
        x = _blocks.depthwise(x, f"block{number}_a", strides=strides, batch_norm=batch_norm)
        x = _blocks.conv(x, int(channels * alpha), 1, f"block{number}_b", batch_norm=batch_norm)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, x, name="mobilenet_v1")
