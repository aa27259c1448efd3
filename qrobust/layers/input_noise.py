"""Finds the noise that smooths a model: the ``GridNoise`` layer on its input."""

from typing import Any

import keras

from qrobust.layers.ablation_noise import AblationNoise
from qrobust.layers.band_noise import BandNoise
from qrobust.layers.grid_noise import GridNoise
from qrobust.layers.split_noise import SplitNoise
from tflite_export.keras_private import functional, is_model, nodes

#: Layers that say an input's grid, and are gone at export.
INPUT_NOISES = (GridNoise, SplitNoise, BandNoise, AblationNoise)


def input_noise(model: Any) -> GridNoise:
    """The ``GridNoise`` layer that reads a model's input, in nested and wrapped models, too.

    Args:
        model: a Sequential or Functional model, or a wrapper around one.

    Raises:
        ValueError: there is none.
    """
    found = _find(model, (GridNoise,))
    if not isinstance(found, GridNoise):
        raise ValueError(
            f"Model '{model.name}' has no GridNoise layer on its input, so nothing smooths it. Put "
            f"one right behind the input."
        )
    return found


def input_layer_of(model: Any) -> Any:
    """The layer that reads a model's input: noise, splits or bands.

    Raises:
        ValueError: there is none.
    """
    found = _find(model, INPUT_NOISES)
    if found is None:
        known = ", ".join(kind.__name__ for kind in INPUT_NOISES)
        raise ValueError(f"Model '{model.name}' has none of {known} on its input.")
    return found


def _find(layer: Any, kinds: tuple[Any, ...]) -> Any:
    if isinstance(layer, kinds):
        return layer
    if isinstance(layer, keras.layers.Wrapper):
        return _find(layer.layer, kinds)
    if not is_model(layer):
        return None
    inputs = {id(tensor) for tensor in functional(layer).inputs}
    readers = [n.operation for n in nodes(layer) if id(n.input_tensors[0]) in inputs]
    found = (_find(reader, kinds) for reader in readers)
    return next((noise for noise in found if noise is not None), None)
