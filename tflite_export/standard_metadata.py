"""The metadata that TensorFlow Lite's own readers know: labels and normalization of a picture.

A ``ModelMetadata`` flatbuffer in the entry ``TFLITE_METADATA``, and ``labels.txt`` in a ZIP archive
behind the model (tensorflow/tflite-support, ``metadata_schema.fbs``). MediaPipe's ImageClassifier
reads both, of files with uint8 inputs. Computes nothing.
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import flatbuffers

from tflite_export.grid import Grid
from tflite_export.lower import Lowered

ENTRY = "TFLITE_METADATA"
LABELS = "labels.txt"
_IDENTIFIER = b"M001"
_PARSER_VERSION = "1.0.0"
_AXIS_LABELS = 2  # AssociatedFileType.TENSOR_AXIS_LABELS
_FEATURE, _IMAGE = 1, 2  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions
_COLORS = {1: 2, 3: 1}  # channels -> ColorSpaceType: GRAYSCALE, RGB
# The archive must be the same bytes at every export; 1980 is the oldest that ZIP knows.
_DATE = (1980, 1, 1, 0, 0, 0)


def standard_metadata(lowered: Lowered, labels: Sequence[str]) -> dict[str, bytes]:
    """The entry for a classifier of pictures; nothing for other models.

    Args:
        lowered: the model, to be written with uint8 inputs.
        labels: class names, or none.
    """
    graph = lowered.graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or len(graph.outputs[0].shape) != 1:
        return {}
    shape = graph.inputs[0].shape
    if len(shape) != 3 or shape[2] not in _COLORS:
        return {}
    builder = _Builder(512)
    picture = builder.table(
        {
            0: builder.CreateString(graph.inputs[0].name),
            3: builder.content(_IMAGE, builder.table({}, {0: _COLORS[shape[2]]})),
            4: builder.vector([_normalization(builder, lowered.input_grids[0])]),
        }
    )
    described: dict[int, Any] = {
        0: builder.CreateString(graph.outputs[0].name),
        3: builder.content(_FEATURE, builder.table({})),
    }
    if labels:
        file = builder.table({0: builder.CreateString(LABELS)}, {2: _AXIS_LABELS})
        described[6] = builder.vector([file])
    subgraph = builder.table(
        {2: builder.vector([picture]), 3: builder.vector([builder.table(described)])}
    )
    root = builder.table(
        {
            0: builder.CreateString(graph.name),
            3: builder.vector([subgraph]),
            7: builder.CreateString(_PARSER_VERSION),
        }
    )
    builder.Finish(root, file_identifier=_IDENTIFIER)
    return {ENTRY: bytes(builder.Output())}


def with_labels(tflite: bytes, labels: Sequence[str]) -> bytes:
    """The file with ``labels.txt`` behind it, where the standard metadata name one."""
    if not labels:
        return tflite
    whole = io.BytesIO(tflite)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS, _DATE), "\n".join(labels))
    return whole.getvalue()


def _normalization(builder: "_Builder", grid: Grid) -> int:
    """``(pixel - mean) / std`` is what the model reads, in Keras's units."""
    mean, std = builder.floats([grid.zero_point + 128.0]), builder.floats([1 / grid.step])
    options = builder.table({0: mean, 1: std})
    return builder.table({1: options}, {0: _NORMALIZATION})


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Tables by slot numbers: offsets, and numbers of one byte."""

    def table(self, offsets: dict[int, int], bytes_: dict[int, int] | None = None) -> int:
        self.StartObject(max([*offsets, *(bytes_ or {}), 0]) + 1)
        for slot, offset in offsets.items():
            self.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, value in (bytes_ or {}).items():
            self.PrependInt8Slot(slot, value, 0)
        return int(self.EndObject())

    def content(self, kind: int, properties: int) -> int:
        return self.table({1: properties}, {0: kind})

    def vector(self, offsets: list[int]) -> int:
        self.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.PrependUOffsetTRelative(offset)
        return int(self.EndVector())

    def floats(self, values: list[float]) -> int:
        self.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.PrependFloat32(value)
        return int(self.EndVector())
