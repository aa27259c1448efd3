"""Outputs of a Keras model on arrays, without a trace where one would cost more than the batch."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from tflite_export.inputs import as_structured, batch_size


def outputs_of(model: Any, arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """What a model gives for some examples: for ranges and labels, never for parity.

    Examples of one batch (at most 128) run eagerly: TensorFlow traces a model for ``predict``,
    which takes longer. Graphs may round reals otherwise in their last bit, so what is compared as
    integers goes through ``model.predict`` itself (`tflite_export.parity`).

    Args:
        model: a built Keras model with outputs of any structure.
        arrays: one per input, in the order of ``model.inputs``.

    Returns:
        The outputs, flattened to a list.
    """
    import keras

    examples = len(arrays[0])
    size = batch_size(examples)
    if size < examples:
        given = as_structured(model, list(arrays))
        outputs = model.predict(given, batch_size=size, verbose=0)
    else:
        tensors = [keras.ops.convert_to_tensor(a) for a in arrays]
        outputs = model(as_structured(model, tensors), training=False)
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(outputs)]
