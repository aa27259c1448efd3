"""What makes any layer impossible to export exactly, whatever its kind."""

from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.grid import FloatArray, Grid
from tflite_export.lower.functions import shown

# Their data format does not matter in inference, or is handled.
_FORMAT_FREE = ("Dropout", "Flatten", "GaussianNoise", "SpatialDropout1D", "SpatialDropout2D")
# Few weights may come out alike by chance; of many, one more draw shows it.
_DRAWS, _MANY = 4, 1024


def check_layer(layer: Any) -> None:
    """Refuse channels first, and types other than float32.

    Raises:
        ExportError: with the layer's name and what to do.
    """
    kind = type(layer).__name__
    if getattr(layer, "data_format", None) == "channels_first" and kind not in _FORMAT_FREE:
        raise ExportError(
            f"Layer '{layer.name}' ({kind}): data_format='channels_first'. TFLite keeps channels "
            f"last; build the model with data_format='channels_last'."
        )
    policy = getattr(getattr(layer, "dtype_policy", None), "name", "float32")
    if policy.startswith("int"):
        raise ExportError(
            f"Layer '{layer.name}' ({kind}) is quantized by Keras itself ('{policy}'), with scales "
            f"that are no powers of two. Give the float model to qrobust.quantize instead."
        )
    if policy != "float32":
        raise ExportError(
            f"Layer '{layer.name}' ({kind}) computes in '{policy}', whose sums are other numbers "
            f"than the device's. Build the model with dtype='float32' and copy its weights."
        )


def check_not_random(layer: Any, name: str, quantizer: Any, value: Any, first: FloatArray) -> None:
    """Refuse a weight quantizer that draws at every call.

    Args:
        layer: for the error.
        name: of the weight, for the error.
        quantizer: any callable.
        value: what it was given.
        first: what it gave.

    Raises:
        ExportError: two calls give different weights.
    """
    if getattr(quantizer, "use_stochastic_rounding", False) or _differs(quantizer, value, first):
        raise ExportError(
            f"Layer '{layer.name}': its {name} quantizer {shown(quantizer)} is random in "
            f"inference, so that every predict sees other weights. Use one that rounds, such as "
            f"qrobust.quantizers.PowerOfTwoWeights."
        )


def _differs(quantizer: Any, value: Any, first: FloatArray) -> bool:
    draws = 1 if first.size >= _MANY else _DRAWS
    others = (np.asarray(quantizer(value)) for _ in range(draws))
    return any(not np.array_equal(first, other, equal_nan=True) for other in others)


def rounding_problem(quantizer: Any, grid: Grid) -> str | None:
    """How an activation quantizer differs from its own grid; None when it rounds half up onto it.

    Tried on every half step of the grid and beyond its ends.
    """
    halves = np.arange(2 * (grid.minimum - grid.zero_point) - 6, 2 * grid.levels + 7)
    x = (halves * (grid.step / 2)).astype(np.float32)
    first, second = np.asarray(quantizer(x)), np.asarray(quantizer(x))
    if not np.array_equal(first, second):
        return "is random in inference"
    wrong = first != grid.dequantize(grid.quantize(x)).astype(np.float32)
    if not wrong.any():
        return None
    at = int(wrong.argmax())
    return f"makes {first[at]:g} of {x[at]:g}, where its grid ({grid}), rounding half up, does not"
