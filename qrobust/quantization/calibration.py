"""Calibration data as arrays, and the input grids that they must fit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qrobust.layers.input_noise import INPUT_NOISES
from qrobust.quantization.adopted_activations import adopted_activation
from tflite_export.grid import Grid
from tflite_export.input_grids import FROM_DATA, input_grid_named, misfit, remedy
from tflite_export.inputs import model_inputs
from tflite_export.keras_private import functional, is_model, nodes

_EXAMPLES = 512


def calibration_data(model: Any, data: Any) -> list[npt.NDArray[Any]]:
    """The first 512 examples of what ``model.predict`` takes, one float32 array per input.

    Raises:
        ValueError: no numbers, NaN or infinity, or as many arrays as inputs are missing.
    """
    arrays = model_inputs(model, data, what="calibrate", most=_EXAMPLES)
    return [array[:_EXAMPLES].astype(np.float32) for array in arrays]


def input_grids(
    model: Any, given: Grid | str | None, data: list[npt.NDArray[Any]] | None
) -> list[Grid | None]:
    """Per input the grid that a quantizer must state, or None where nothing needs to be said.

    Args:
        model: the float model.
        given: the caller's choice, for every input; "data" yields to what the model says itself.
        data: calibration data; checked against the grid that an input will have.

    Raises:
        ValueError: data in other units, or a choice that contradicts the model's noise layer.
    """
    chosen: list[Grid | None] = []
    for index, tensor in enumerate(functional(model).inputs):
        values = None if data is None else data[index]
        said = _said(model, tensor)
        inferred = given == FROM_DATA and said is not None
        grid = None if given is None or inferred else input_grid_named(given, values)
        if grid is not None and said is not None and grid != said:
            raise ValueError(
                f"input_grid is {grid}, but the noise layer or quantizer on input '{tensor.name}' "
                f"says {said}. Leave input_grid out, or make them equal."
            )
        if values is not None:
            _check(tensor.name, values, grid or said)
        chosen.append(None if said is not None else grid)
    return chosen


def _check(name: str, values: npt.NDArray[Any], grid: Grid | None) -> None:
    problem = misfit(values, grid or Grid(0, -128, assumed=True))
    if problem is None:
        return
    said = "which was assumed: nothing says what the input holds" if grid is None else "its own"
    raise ValueError(
        f"Input '{name}': the values of calibrate {problem}, {said}. {remedy(values)}."
    )


def _said(model: Any, tensor: Any) -> Grid | None:
    """The grid of a noise layer or quantizer on an input, in nested and wrapped models, too."""
    for node in nodes(model):
        layer = node.operation
        if not any(t is tensor for t in node.input_tensors):
            continue
        if isinstance(layer, INPUT_NOISES):
            return layer.grid()
        if type(layer).__name__ == "QActivation":
            quantizer = adopted_activation(layer.activation, layer.name).quantizer
            stated: Grid | None = None if quantizer is None else quantizer.grid()
            return stated
        while not is_model(layer) and hasattr(layer, "layer"):
            layer = layer.layer
        if is_model(layer) and len(functional(layer).inputs) == 1:
            found = _said(layer, functional(layer).inputs[0])
            if found is not None:
                return found
    return None
