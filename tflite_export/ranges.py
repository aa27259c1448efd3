"""Ranges of a model's layers on data, for what no quantizer rounds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tflite_export.keras_private import functional, is_model, nodes
from tflite_export.predict import outputs_of

_EXAMPLES = 256


def observe_ranges(
    model: Any, inputs: Sequence[npt.NDArray[Any]]
) -> dict[str, tuple[float, float]]:
    """The smallest and largest value of every layer's output on the first 256 examples.

    Args:
        model: a built Keras model; the layers of models inside it count too.
        inputs: what ``model.predict`` takes, one array per input.
    """
    graph = functional(model)
    calls = [node for node in nodes(model) if len(node.output_tensors) == 1]
    if not calls:
        return {}
    import keras

    wanted = [node.output_tensors[0] for node in calls]
    read = [t for node in calls if is_model(node.operation) for t in node.input_tensors]
    probe = keras.Model(graph.inputs, wanted + read)
    first = [np.asarray(array)[:_EXAMPLES] for array in inputs]
    values = outputs_of(probe, first)
    ranges = {
        node.operation.name: (float(value.min()), float(value.max()))
        for node, value in zip(calls, values, strict=False)
    }
    read_values = iter(values[len(wanted) :])
    for node in calls:
        if is_model(node.operation):
            ranges |= observe_ranges(
                node.operation, [next(read_values) for _ in node.input_tensors]
            )
    return ranges
