"""A Keras model as a classifier to certify: float baselines beside integer files."""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify import FloatCertifier

if TYPE_CHECKING:
    from qrobust.certify.arithmetic.exact_numbers import Exact


def keras_certifier(
    model: Any,
    *,
    sigma: "Exact | None" = None,
    step: float | None = None,
    low: int | None = None,
    **options: Any,
) -> FloatCertifier:
    """A `FloatCertifier` of a Keras model in inference.

    With the seed, index and sigma of a certified ``.tflite`` the model sees the same noisy copies,
    so a baseline and a file can be compared image by image.

    Args:
        model: built, one input, one output of shape (batch, classes).
        sigma: of the noise in LSB; that of the model's ``GridNoise`` by default.
        step: real value of one LSB: the model reads ``step * integer``. By default what its
            ``GridNoise`` says, else 1: pixels 0 to 255. Give 1 / 255 for a model that reads 0 to 1.
        low: least integer of the input grid; likewise, else 0.
        **options: of `FloatCertifier`: ``seed``, ``key``, ``nonce``, ``unit``, ``batch_size``.

    Raises:
        ValueError: several inputs or outputs, or no sigma from either.
    """
    import keras

    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.output_shape) != 2:
        raise ValueError(
            f"Model '{model.name}' has {len(model.inputs)} inputs and outputs of shape "
            f"{model.output_shape}; a classifier has one input and gives (batch, classes)."
        )
    noise = _noise(model)
    if noise is not None:
        sigma = float(str(np.float32(noise.sigma[1]))) if sigma is None else sigma
        step = 2.0**noise.exponent if step is None else step
        low = noise.minimum if low is None else low
    if sigma is None:
        raise ValueError(
            f"Model '{model.name}' has no GridNoise layer that says how it is smoothed. Give sigma "
            f"in steps of its input grid."
        )
    scale = np.float32(1.0 if step is None else step)

    def classifier(x: NDArray[np.int16]) -> NDArray[Any]:
        return np.asarray(model.predict_on_batch(x.astype(np.float32) * scale))

    return FloatCertifier(
        classifier,
        shape=tuple(model.input_shape[1:]),
        classes=model.output_shape[-1],
        sigma=sigma,
        identity=identity(model),
        runtime=f"Keras {keras.version()} on {keras.backend.backend()}, {_dtypes(model)}",
        low=0 if low is None else low,
        step=float(scale),
        **options,
    )


def identity(model: Any) -> bytes:
    """What a model computes, as bytes: SHA-256 of its architecture and of each of its weights."""
    parts = [model.to_json().encode()]
    for weight in model.weights:
        value = np.ascontiguousarray(np.asarray(weight))
        parts.append(f"{value.dtype.str}{value.shape}".encode() + value.tobytes())
    return b"".join(hashlib.sha256(part).digest() for part in parts)


def _noise(model: Any) -> Any:
    from qrobust.layers.input_noise import input_noise

    try:
        return input_noise(model)
    except ValueError:
        return None


def _dtypes(model: Any) -> str:
    return ", ".join(sorted({str(layer.compute_dtype) for layer in model.layers}))
