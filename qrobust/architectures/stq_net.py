"""The network that carries the STQ recipe (stochastic ternary weights, per-layer Jacobian)."""

import keras

from qrobust.architectures import _blocks


def stq_net(
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    *,
    width: int = 32,
    units: int = 64,
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """VGG-like network for CIFAR-10, SVHN and Speech Commands: 420,842 parameters by default.

    Three stages of two 3 x 3 convolutions (`width`, 2 `width`, 4 `width` channels), each ended by
    a 2 x 2 maximum; then a dense layer of `units` and the logits.  No shortcuts: the per-layer
    Jacobian penalty of the recipe is a sum over a plain chain of layers.

    The paper says that its network takes 410 KB and gives no table of layers that we could check.
    The shape is therefore ours, and the default size follows that figure: without batch norm,
    which folds away, 418,794 parameters, 409 KiB at one byte each (102 KiB if ternary weights are
    packed in two bits).

    For keywords pass `input_shape=(49, 10, 1), classes=12`.

    Args:
        input_shape: Height, width, channels of one input; height and width at least 8.
        classes: Number of logits, at least 2.
        width: Channels of the first stage.
        units: Units of the hidden dense layer.
        input_scale: Worth of one step of the input grid, a power of two; None leaves the scaling
            out.
        batch_norm: Whether batch norm follows the convolutions and the hidden dense layer.

    Returns:
        Model from integers `(batch, *input_shape)` to logits `(batch, classes)`.

    Raises:
        ValueError: A shape, count or scale out of range.

    Source:
        Ayaz et al., IJCNN 2023 (arXiv 2304.12829); Zakariyya et al. 2025 (arXiv 2503.08973).
    """
    _blocks.check_count("classes", classes, least=2)
    _blocks.check_count("width", width)
    _blocks.check_count("units", units)
    inputs, x = _blocks.inputs_of(input_shape, input_scale, rank=3)
    if min(input_shape[:2]) < 8:
        raise ValueError(
            "Three halvings need a height and width of at least 8. "
            f"Received: input_shape={input_shape!r}"
        )
    for stage in (1, 2, 3):
        channels = width << (stage - 1)
        x = _blocks.conv(x, channels, 3, f"stage{stage}_a", batch_norm=batch_norm)
        x = _blocks.conv(x, channels, 3, f"stage{stage}_b", batch_norm=batch_norm)
        x = keras.layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = _blocks.dense(x, units, "hidden", batch_norm=batch_norm)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, x, name="stq_net")
