"""``export``: a quantized Keras model in, a fully integer ``.tflite`` out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tflite_export import passes
from tflite_export.errors import ExportError
from tflite_export.exported import Exported, Parity
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.flatbuffer.explicit_clips import explicit_clips
from tflite_export.grid import Grid
from tflite_export.input_grids import check_inputs
from tflite_export.inputs import model_inputs
from tflite_export.lower import lower
from tflite_export.metadata import export_metadata
from tflite_export.parity import KERAS, compare
from tflite_export.ranges import observe_ranges
from tflite_export.standard_metadata import standard_metadata, with_labels

_ROUNDINGS = ("tie-free", "naive")
_STORAGES = ("int8", "int4", "int2")
_IOS = ("int8", "uint8")


def export(
    model: Any,
    *,
    storage: str = "int8",
    io: str = "int8",
    input_grid: Grid | str | Mapping[str, Grid | str] | None = None,
    output_grid: Grid | None = None,
    labels: Sequence[str] = (),
    exact: bool = True,
    inputs: Any = None,
    rounding: str = "tie-free",
) -> Exported:
    """Export a quantized Keras model to the same integers on every device.

    Args:
        model: a built Sequential or Functional model whose layers are quantized (QKeras layers with
            the quantizers of ``qrobust.quantizers``, or what ``qrobust.quantize`` returns).
        storage: "int8", or "int4" or "int2" to pack the weights that fit; the integers computed
            stay the same. Packed files are for LiteRT and TFLM only, and slower on LiteRT. An exact
            export packs layers of up to 4 bits that read up to 6, through one more sum for each
            tensor they read, and ternary ones whatever they read; ``report.unpacked`` says why a
            layer stays int8. Otherwise every layer of up to 4 bits is packed.
        io: "int8", or "uint8" for inputs and outputs that a browser or a camera has.
        input_grid: what the model's inputs may hold, in the units of ``model.predict``: "pixels"
            (0 to 255), "unit" (0 to 1), "signed" (-1 to 1), "data" (taken from ``inputs``), or a
            grid; one for all or by input name. By default what the model says (a quantized
            activation or noise layer on the input). A model that says nothing is taken to read
            pixels; the report says that this was assumed, and inputs that do not fit are refused.
        output_grid: the grid of outputs that no quantizer rounds, in the same units.
        labels: class names, stored in the file; with ``io="uint8"`` and a picture as input also
            where MediaPipe's ImageClassifier looks for them.
        exact: refuse a model that could differ from ``model.predict`` by one integer on any
            runtime. With False such a model is exported all the same, and ``report.notes`` says
            what is not exact.
        inputs: what ``model.predict`` takes. Gives ranges to what nothing quantizes (with
            ``exact=False``), and the report counts the integers that differ on them, which with
            ``exact=True`` must be none.
        rounding: "tie-free", or "naive" to store the weights as they are (for comparisons: kernels
            then round differently).

    Raises:
        ExportError: a layer has no integer form, or no exact one; the inputs given are in other
            units than the model's; or an exact export differs on them.
    """
    _check_choice("rounding", rounding, _ROUNDINGS)
    _check_choice("storage", storage, _STORAGES)
    _check_choice("io", io, _IOS)
    _check_labels(labels)
    arrays = None if inputs is None else model_inputs(model, inputs)
    lowered = lower(
        model,
        input_grid=input_grid,
        output_grid=output_grid,
        exact=exact,
        ranges=observe_ranges(model, arrays) if arrays is not None and not exact else None,
        data=arrays,
    )
    if arrays is not None:
        names = [tensor.name for tensor in lowered.graph.inputs]
        check_inputs(arrays, lowered.input_grids, names)
    graph, notes = passes.run(
        lowered.graph, storage=storage, scale=rounding == "tie-free", exact=exact
    )
    graph, notes = explicit_clips(graph), (*lowered.notes, *notes)
    entries = export_metadata(lowered, notes, labels)
    standard = standard_metadata(lowered, labels) if io == "uint8" else {}
    tflite = to_flatbuffer(graph, io=io, metadata=entries | standard)
    if standard:
        tflite = with_labels(tflite, labels)
    unpacked = {} if storage == "int8" else passes.why_int8(graph)
    exported = Exported(tflite, lowered, graph, notes, unpacked=unpacked)
    if arrays is None:
        return exported
    parity = compare(model, lowered, tflite, arrays, trusted=True)
    if not notes and not parity.is_exact:
        raise ExportError(_failed(model, parity))
    return replace(exported, parity=parity)


def _failed(model: Any, parity: Parity) -> str:
    """What to say where an export that should be exact is not."""
    keras_alone = not any(n for name, n in parity.differing.items() if name != KERAS)
    hint = (
        "Every runtime gives the reference's integers, Keras alone does not: a quantizer of your "
        "own that does not round half up, or TensorFlow itself, whose oneDNN kernels compute some "
        "convolutions of one input channel wrongly (set TF_ENABLE_ONEDNN_OPTS=0 and try again)"
        if keras_alone
        else "Please report this model"
    )
    return (
        f"Model '{model.name}': the file differs on the inputs given.\n{parity}\n{hint}; or "
        f"export it with exact=False, which reports what differs."
    )


def _check_labels(labels: Sequence[str]) -> None:
    """Labels are lines of a file in the standard metadata: a broken one would move all others."""
    broken = [labels] if isinstance(labels, str) else []
    broken = broken or [x for x in labels if not isinstance(x, str) or x.splitlines() != [x]]
    if broken:
        raise ValueError(
            f"labels is a list of class names, one line each and not empty. Received: {broken[0]!r}"
        )


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}. Received: {value!r}")
