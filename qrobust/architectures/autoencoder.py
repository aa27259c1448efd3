"""The dense autoencoder of MLPerf Tiny's anomaly detection."""

import keras

from qrobust.architectures import _blocks


def autoencoder(
    features: int = 640,
    *,
    width: int = 128,
    bottleneck: int = 8,
    input_scale: float | None = 2**-8,
    batch_norm: bool = True,
) -> keras.Model:
    """Dense autoencoder: 269,992 parameters at the defaults.

    Four dense layers of `width`, one of `bottleneck`, four of `width`, each with batch norm and
    ReLU, and a linear layer back to `features`.

    The output is the scaled input (`input_scale * x`) reconstructed, not class logits.

    Args:
        features: Inputs and outputs.
        width: Units of the wide layers.
        bottleneck: Units of the narrow layer.
        input_scale: Worth of one step of the input grid, a power of two; None leaves the scaling
            out.
        batch_norm: Whether batch norm follows the dense layers.

    Returns:
        Model from integers `(batch, features)` to reconstructions `(batch, features)`.

    Raises:
        ValueError: A count or scale out of range.

    Source:
        mlcommons/tiny, training/anomaly_detection/keras_model.py (DCASE 2020, task 2 baseline).
    """
    for name, value in (("features", features), ("width", width), ("bottleneck", bottleneck)):
        _blocks.check_count(name, value)
    inputs, x = _blocks.inputs_of((features,), input_scale, rank=1)
    for number in (1, 2, 3, 4):
        x = _blocks.dense(x, width, f"encoder{number}", batch_norm=batch_norm)
    x = _blocks.dense(x, bottleneck, "bottleneck", batch_norm=batch_norm)
    for number in (1, 2, 3, 4):
        x = _blocks.dense(x, width, f"decoder{number}", batch_norm=batch_norm)
    x = keras.layers.Dense(features, name="reconstruction")(x)
    return keras.Model(inputs, x, name="autoencoder")
