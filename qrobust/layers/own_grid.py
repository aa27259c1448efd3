"""The grid of a model's input, as the model says it."""

from typing import Any

from qrobust.layers.input_noise import input_noise
from tflite_export.errors import ExportError
from tflite_export.lower import lower

_PIXELS = 0, 255, 1.0


def own_grid(model: Any) -> tuple[int, int, float]:
    """Least and greatest integer of a model's input, and the real value of one step.

    Args:
        model: Keras, with one input.

    Returns:
        what its noise layer or a quantizer that reads its input says; pixels, 0 to 255, where
        nothing does.
    """
    try:
        (grid,) = lower(model, exact=False).input_grids
    except (ExportError, AttributeError):  # not for devices; noise on the input still says it
        return _noise_grid(model)
    return grid.minimum - grid.zero_point, grid.maximum - grid.zero_point, grid.step


def _noise_grid(model: Any) -> tuple[int, int, float]:
    try:
        noise = input_noise(model)
    except ValueError:
        return _PIXELS
    return noise.minimum, noise.maximum, 2.0**noise.exponent
