"""The same inputs through every runtime at hand, compared integer for integer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tflite_export import reference, runtimes
from tflite_export.exported import Exported, Parity, as_arrays
from tflite_export.grid import IntArray
from tflite_export.lower import Lowered, lower
from tflite_export.lower.walk import functional
from tflite_export.read import read_graph

KERAS = "Keras predict"
_BATCH = 64


def check_parity(
    model: Any,
    exported: Exported | bytes,
    inputs: npt.ArrayLike | Sequence[npt.ArrayLike],
    *,
    on: Sequence[str] | None = None,
    trusted: bool = False,
) -> Parity:
    """Compare Keras and every installed runtime with the NumPy reference.

    Args:
        model: the Keras model that was exported.
        exported: what ``export`` returned, or the bytes of a ``.tflite`` made from the model.
        inputs: what ``model.predict`` would take, a list of arrays for several inputs; quantized
            onto the model's input grid first.
        on: names of runtimes (see ``runtimes.RUNTIMES``); all of them by default.
        trusted: run bytes of a known origin in this process, as what ``export`` just returned is;
            any others run in a child with limits.

    Raises:
        ExportError: a file that does not survive, that is refused, or that is to be trusted and
            that the contract's reader does not accept.
    """
    if isinstance(exported, bytes):
        if trusted:
            read_graph(exported)
        lowered, tflite = lower(model, exact=False), exported
    else:
        lowered, tflite, trusted = exported.lowered, exported.tflite, True
    stored = [g.quantize(a) for g, a in zip(lowered.input_grids, as_arrays(inputs), strict=True)]
    expected = _reference(lowered, stored)
    differing = {KERAS: _differing(expected, keras_integers(model, lowered, stored))}
    skipped = {}
    int8 = [array.astype(np.int8) for array in stored]
    for name in on if on is not None else runtimes.RUNTIMES:
        why = runtimes.missing(name, tflite)
        if why is not None:
            skipped[name] = why
            continue
        differing[name] = _differing(expected, runtimes.run(name, tflite, int8, trusted=trusted))
    return Parity(
        inputs=len(stored[0]),
        integers=sum(array.size for array in expected),
        differing=differing,
        skipped=skipped,
    )


def _reference(lowered: Lowered, stored: Sequence[IntArray]) -> list[IntArray]:
    pieces = [
        reference.run(lowered.graph, *(array[start : start + _BATCH] for array in stored))
        for start in range(0, len(stored[0]), _BATCH)
    ]
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def keras_integers(model: Any, lowered: Lowered, stored: Sequence[IntArray]) -> list[IntArray]:
    """``model.predict`` as stored integers, a final softmax left out.

    Args:
        model: the Keras model.
        lowered: its lowering.
        stored: integers ``q``, one array per input.
    """
    real = [
        grid.dequantize(q).astype(np.float32)
        for grid, q in zip(lowered.input_grids, stored, strict=True)
    ]
    predicted = logits_model(model).predict(real if len(real) > 1 else real[0], verbose=0)
    outputs = predicted if isinstance(predicted, list) else [predicted]
    return [g.quantize(y) for g, y in zip(lowered.output_grids, outputs, strict=True)]


def logits_model(model: Any) -> Any:
    """The same model without a final softmax, sharing or copying its weights."""
    import keras

    graph = functional(model)
    outputs = []
    inside = set()
    for tensor in graph.outputs:
        layer, node_index, _ = tensor._keras_history
        if getattr(layer, "activation", None) is keras.activations.softmax:
            if isinstance(layer, keras.layers.Activation):
                tensor = layer._inbound_nodes[node_index].input_tensors[0]
            else:
                inside.add(layer.name)
        elif isinstance(layer, keras.layers.Softmax):
            tensor = layer._inbound_nodes[node_index].input_tensors[0]
        outputs.append(tensor)
    if inside:
        return _without_softmax(model, inside)
    if all(a is b for a, b in zip(outputs, graph.outputs, strict=True)):
        return model
    return keras.Model(graph.inputs, outputs)


def _without_softmax(model: Any, names: set[str]) -> Any:
    import keras

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name in names:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def _differing(expected: Sequence[IntArray], received: Sequence[npt.NDArray[Any]]) -> int:
    return sum(
        int(np.count_nonzero(np.asarray(a) != np.asarray(b)))
        for a, b in zip(expected, received, strict=True)
    )
