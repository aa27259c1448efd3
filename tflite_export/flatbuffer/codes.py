"""Operators and their names in the file format: the one table that writer and readers share."""

from ai_edge_litert import schema_py_generated as schema

from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    ResizeNearest,
    Table,
    Transpose,
)

_Code = schema.BuiltinOperator

CODES: dict[type[Operator], int] = {
    Add: _Code.ADD,
    Concatenate: _Code.CONCATENATION,
    Conv2D: _Code.CONV_2D,
    # Its masks leave the batch open, which SLICE cannot.
    Crop: _Code.STRIDED_SLICE,
    DepthwiseConv2D: _Code.DEPTHWISE_CONV_2D,
    FullyConnected: _Code.FULLY_CONNECTED,
    Maximum: _Code.MAXIMUM,
    MaxPool2D: _Code.MAX_POOL_2D,
    Pad: _Code.PAD,
    Reshape: _Code.RESHAPE,
    ResizeNearest: _Code.RESIZE_NEAREST_NEIGHBOR,
    # Behind a CAST and an ADD of int32, which make indices of its input.
    Table: _Code.GATHER,
    Transpose: _Code.TRANSPOSE,
}
KINDS: dict[int, type[Operator]] = {code: kind for kind, code in CODES.items()}
CODE_NAMES: dict[int, str] = {value: name for name, value in vars(_Code).items() if name.isupper()}


def is_linear(code: int) -> bool:
    """Whether a code is that of a weighted sum, whose second input are its weights."""
    return issubclass(KINDS.get(code, Operator), Linear)
