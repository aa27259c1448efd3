"""DS-CNN, the keyword spotting network of MLPerf Tiny."""

import keras

from qrobust.architectures import _blocks


def ds_cnn(
    input_shape: tuple[int, int, int] = (49, 10, 1),
    classes: int = 12,
    *,
    filters: int = 64,
    dropout: tuple[float, float] | None = (0.2, 0.4),
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """Depthwise separable network for keywords: 24,908 parameters at the defaults.

    A 10 x 4 convolution with stride 2, four blocks of 3 x 3 depthwise and 1 x 1 convolution, the
    average over 25 x 5 places (no power of two), dense.

    The reference trains with L2 1e-4 on the kernels; here there is none. The dropouts have seeds,
    so that a training can be repeated.

    Args:
        input_shape: Frames, coefficients, 1: the features of `qrobust.audio.mfcc`, quantized.
        classes: Number of logits, at least 2.
        filters: Channels everywhere.
        dropout: Rates after the first convolution and before the average, as in the reference;
            None for none.
        input_scale: Worth of one step of the input grid, a power of two; None leaves the scaling
            out.  Its size only moves the first layer's weights: int8 features span [-.5, .5) here.
        batch_norm: Whether batch norm follows the convolutions.

    Returns:
        Model from integers `(batch, *input_shape)` (int8 features) to logits `(batch, classes)`.

    Raises:
        ValueError: A shape, count, rate or scale out of range.

    Source:
        mlcommons/tiny, training/keyword_spotting/keras_model.py; Zhang et al. 2017, "Hello Edge".
    """
    _blocks.check_count("classes", classes, least=2)
    _blocks.check_count("filters", filters)
    if dropout is not None and (len(dropout) != 2 or not all(0 <= r < 1 for r in dropout)):
        raise ValueError(f"`dropout` has to be two rates in [0, 1) or None. Received: {dropout!r}")
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    x = _blocks.conv(x, filters, (10, 4), "stem", strides=2, batch_norm=batch_norm)
    if dropout is not None:
        x = keras.layers.Dropout(dropout[0], seed=1, name="stem_dropout")(x)
    for block in (1, 2, 3, 4):
        x = _blocks.depthwise(x, f"block{block}_a", batch_norm=batch_norm)
        x = _blocks.conv(x, filters, 1, f"block{block}_b", batch_norm=batch_norm)
    if dropout is not None:
        x = keras.layers.Dropout(dropout[1], seed=2, name="pool_dropout")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, x, name="ds_cnn")
