"""``export``: a quantized Keras model in, a fully integer ``.tflite`` out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from tflite_export import passes
from tflite_export.exported import Exported, as_arrays
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.grid import Grid
from tflite_export.lower import lower
from tflite_export.metadata import export_metadata
from tflite_export.parity import check_parity
from tflite_export.ranges import observe_ranges

_ROUNDINGS = ("tie-free", "naive")
_STORAGES = ("int8", "int4", "int2")
_IOS = ("int8", "uint8")


def export(
    model: Any,
    *,
    storage: str = "int8",
    io: str = "int8",
    input_grid: Grid | Mapping[str, Grid] | None = None,
    output_grid: Grid | None = None,
    labels: Sequence[str] = (),
    exact: bool = True,
    inputs: npt.ArrayLike | Sequence[npt.ArrayLike] | None = None,
    rounding: str = "tie-free",
) -> Exported:
    """Export a quantized Keras model to the same integers on every device.

    Args:
        model: a built Sequential or Functional model whose layers are quantized (QKeras layers with
            the quantizers of ``qrobust.quantizers``, or what ``qrobust.quantize`` returns).
        storage: "int8", or "int4" or "int2" to pack the weights that fit; the integers computed
            stay the same. An exact export packs only what stays tie-free (ternary weights in
            int4); otherwise every layer of up to 4 bits is packed.
        io: "int8", or "uint8" for inputs and outputs that a browser or a camera has.
        input_grid: what the model's inputs may hold, in the units of ``model.predict``. By default
            what the model says (a quantized activation or noise layer on the input), else pixels
            0 to 255.
        output_grid: the grid of outputs that no quantizer rounds, in the same units.
        labels: class names, stored in the file.
        exact: refuse a model that could differ from ``model.predict`` by one integer on any
            runtime. With False such a model is exported all the same, and ``report.notes`` says
            what is not exact.
        inputs: what ``model.predict`` takes. Gives ranges to what nothing quantizes (with
            ``exact=False``), and the report counts the integers that differ on them.
        rounding: "tie-free", or "naive" to store the weights as they are (for comparisons: kernels
            then round differently).

    Raises:
        ExportError: a layer has no integer form, or no exact one.
    """
    _check_choice("rounding", rounding, _ROUNDINGS)
    _check_choice("storage", storage, _STORAGES)
    _check_choice("io", io, _IOS)
    arrays = None if inputs is None else as_arrays(inputs)
    lowered = lower(
        model,
        input_grid=input_grid,
        output_grid=output_grid,
        exact=exact,
        ranges=observe_ranges(model, arrays) if arrays is not None and not exact else None,
    )
    graph, notes = passes.run(
        lowered.graph, storage=storage, scale=rounding == "tie-free", exact=exact
    )
    graph, notes = explicit_clips(graph), (*lowered.notes, *notes)
    tflite = to_flatbuffer(graph, io=io, metadata=export_metadata(lowered, notes, labels))
    exported = Exported(tflite, lowered, graph, notes)
    if arrays is None:
        return exported
    return replace(exported, parity=check_parity(model, exported, arrays))


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}. Received: {value!r}")
