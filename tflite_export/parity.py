"""The same inputs through every runtime at hand, compared integer for integer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tflite_export import reference, runtimes
from tflite_export.errors import ExportError
from tflite_export.exported import Exported, Parity
from tflite_export.grid import Grid, IntArray
from tflite_export.input_grids import check_inputs
from tflite_export.inputs import as_structured, batch_size, model_inputs
from tflite_export.inspection import inspect
from tflite_export.logits import logits_model
from tflite_export.lower import Lowered, lower
from tflite_export.read import read_graph

KERAS = "Keras predict"
_BATCH = 64


def check_parity(
    model: Any,
    exported: Exported | bytes,
    inputs: Any,
    *,
    y: npt.ArrayLike | None = None,
    on: Sequence[str] | None = None,
    trusted: bool = False,
) -> Parity:
    """Compare Keras and every installed runtime with the NumPy reference.

    Args:
        model: the Keras model that was exported.
        exported: what ``export`` returned, or the bytes of a ``.tflite`` made from the model.
        inputs: what ``model.predict`` takes: arrays, a list or dictionary of them, a data set (its
            first 4,096 examples); quantized onto the model's input grid first.
        y: labels of the inputs; the accuracy is counted, too.
        on: names of runtimes (see ``runtimes.RUNTIMES``); all of them by default.
        trusted: run bytes of a known origin in this process, as what ``export`` just returned is;
            any others run in a child with limits.

    Raises:
        ValueError: no examples, NaN, or as many arrays as the model has inputs are missing.
        ExportError: inputs in other units than the model's, which collapse on its input grid; a
            file that does not survive, that is refused, or that is to be trusted and that the
            contract's reader does not accept.
    """
    if isinstance(exported, bytes):
        if trusted:
            read_graph(exported)
        lowered, tflite = lower_for_file(model, exported), exported
    else:
        lowered, tflite, trusted = exported.lowered, exported.tflite, True
    arrays = model_inputs(model, inputs)
    names = [tensor.name for tensor in lowered.graph.inputs]
    check_inputs(arrays, lowered.input_grids, names)
    return compare(model, lowered, tflite, arrays, y=y, on=on, trusted=trusted)


def compare(
    model: Any,
    lowered: Lowered,
    tflite: bytes,
    arrays: list[npt.NDArray[Any]],
    *,
    y: npt.ArrayLike | None = None,
    on: Sequence[str] | None = None,
    trusted: bool = False,
) -> Parity:
    """``check_parity`` behind its checks: arrays that fit the model's input grids, one per input.

    Args:
        model: the Keras model.
        lowered: its lowering.
        tflite: the file made from it.
        arrays: real values, one array per input.
        y: labels, see ``check_parity``.
        on: runtimes, see ``check_parity``.
        trusted: see ``check_parity``.
    """
    stored = [g.quantize(a) for g, a in zip(lowered.input_grids, arrays, strict=True)]
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
    same, right = _labels(model, arrays, expected, y)
    return Parity(
        inputs=len(stored[0]),
        integers=sum(array.size for array in expected),
        differing=differing,
        skipped=skipped,
        input_grids=lowered.described_inputs,
        same_labels=same,
        right_labels=right,
    )


def lower_for_file(model: Any, tflite: bytes) -> Lowered:
    """A model as integers, its inputs on the file's grids where it does not state them itself."""
    lowered = lower(model, exact=False)
    if not any(grid.assumed for grid in lowered.input_grids):
        return lowered
    grids = {}
    held = inspect(tflite).inputs
    for tensor, grid, file in zip(lowered.graph.inputs, lowered.input_grids, held, strict=False):
        if grid.assumed and file.is_power_of_two:
            zero_point = file.zero_point - 128 * (file.kind == "UINT8")
            grids[tensor.name] = Grid(int(np.log2(file.scale)), zero_point)
    return lower(model, input_grid=grids, exact=False)


def _labels(
    model: Any,
    arrays: list[npt.NDArray[Any]],
    expected: Sequence[IntArray],
    y: npt.ArrayLike | None,
) -> tuple[int | None, tuple[int, int] | None]:
    """How often the file's label is Keras's on the raw inputs, and how often both are right."""
    if len(expected) != 1 or expected[0].ndim != 2 or expected[0].shape[1] < 2:
        if y is not None:
            raise ValueError("y counts right labels, which needs one output of 2 classes or more.")
        return None, None
    file = expected[0].argmax(axis=-1)
    keras = _predicted(model, [a.astype(np.float32) for a in arrays])[0].argmax(axis=-1)
    same = int(np.count_nonzero(file == keras))
    if y is None:
        return same, None
    true = np.asarray(y)
    true = true.argmax(axis=-1) if true.ndim == 2 and true.shape[1] > 1 else true.reshape(-1)
    if len(true) != len(file):
        raise ValueError(f"y holds {len(true)} labels for {len(file)} inputs.")
    return same, (int(np.count_nonzero(file == true)), int(np.count_nonzero(keras == true)))


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
    outputs = _predicted(logits_model(model, sigmoid=True), real)
    return [g.quantize(y) for g, y in zip(lowered.output_grids, outputs, strict=True)]


def _predicted(model: Any, arrays: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """``model.predict``, outputs of any structure as a list."""
    import keras

    size = batch_size(len(arrays[0]))
    given = as_structured(model, arrays)
    return list(keras.tree.flatten(model.predict(given, batch_size=size, verbose=0)))


def _differing(expected: Sequence[IntArray], received: Sequence[npt.NDArray[Any]]) -> int:
    ours, theirs = ([np.shape(array) for array in side] for side in (expected, received))
    if ours != theirs:
        raise ExportError(
            f"The .tflite file gives outputs of shape {theirs}, the model {ours}: it is another "
            "model's."
        )
    return sum(
        int(np.count_nonzero(np.asarray(a) != np.asarray(b)))
        for a, b in zip(expected, received, strict=True)
    )
