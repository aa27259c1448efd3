"""Float activations that become tables, and the tables that they become."""

from typing import Any

import keras
import numpy as np

from qrobust.quantizers import OfOneValue, QuantizedBits, QuantizedRelu
from qrobust.quantizers.of_one_value import known_functions
from tflite_export.grid import Grid
from tflite_export.lower.functions import PROBABILITIES, function_name

_L = keras.layers


def tabulated_name(activation: Any, *, read: bool) -> str | None:
    """The function that an activation is, where it becomes a table; None where it does not.

    Args:
        activation: of a layer.
        read: whether another layer reads it: a final sigmoid is left out instead.
    """
    name = function_name(activation)
    known = name in known_functions() and (read or name not in PROBABILITIES)
    return name if known else None


def function_of(layer: Any, *, read: bool) -> OfOneValue | None:
    """What an activation layer computes, where it becomes a table; None for other layers.

    Raises:
        ValueError: a PReLU whose slopes differ from place to place.
    """
    if isinstance(layer, _L.LeakyReLU):
        return OfOneValue("leaky_relu", float(layer.negative_slope))
    if isinstance(layer, _L.ReLU) and layer.negative_slope:
        if layer.threshold or layer.max_value is not None:
            return None  # no_twin says why
        return OfOneValue("leaky_relu", float(layer.negative_slope))
    if isinstance(layer, _L.ELU):
        return OfOneValue("elu", float(layer.alpha))
    if isinstance(layer, _L.PReLU):
        return OfOneValue("leaky_relu", _slopes(layer))
    if type(layer) is not _L.Activation:
        return None
    name = tabulated_name(layer.activation, read=read)
    return None if name is None else OfOneValue(name)


def _slopes(layer: Any) -> Any:
    slopes = np.asarray(layer.alpha, np.float64)
    channels = slopes.reshape(-1, slopes.shape[-1])
    if np.any(channels != channels[0]):
        raise ValueError(
            f"Layer '{layer.name}' (PReLU) has slopes that differ from place to place, and a table "
            f"for each would be larger than the network. Use shared_axes=[1, 2]."
        )
    return float(channels[0, 0]) if np.all(channels[0] == channels[0, 0]) else channels[0].tolist()


def is_tabulated(layer: Any) -> bool:
    """Whether a layer of a simplified graph is a function that becomes a table."""
    return isinstance(getattr(layer, "activation", None), OfOneValue)


def quantizer_on(grid: Grid) -> QuantizedBits | QuantizedRelu | None:
    """The quantizer whose grid this is; None where there is none."""
    if grid.is_unsigned:
        made: Any = QuantizedRelu(grid.bits, grid.exponent + grid.bits)
    else:
        symmetric = grid.minimum - grid.zero_point == grid.zero_point - grid.maximum
        made = QuantizedBits(grid.bits, grid.exponent + grid.bits - 1, symmetric)
    return made if made.grid() == grid else None
