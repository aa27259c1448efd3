"""Is a ``.tflite`` a function of one input? Decided from operators, axes and shapes alone.

A graph may let the rows of a batch work on each other (a mean over axis 0), remember earlier calls
(variable tensors, tensors read before they are written) or draw random numbers. None of that is a
classifier of one input. Every operator that this module cannot clear is named, in one error.

Shapes are those that the file states; who runs the file compares them with the interpreter's.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_export.errors import ExportError
from tflite_export.flatbuffer.codes import CODE_NAMES

_Code = schema.BuiltinOperator
#: What the schema's reader raises at a damaged file.
DAMAGED = (struct.error, LookupError, ValueError, TypeError, AttributeError, OverflowError)
#: What a rule says of an operator that is row-wise for the file's own batch of one only.
_ONE_ROW = "its batch is fixed"


def read_model(tflite: bytes) -> Any:
    """Return the file as the schema's objects; `ExportError` where it is no sound flatbuffer."""
    if tflite[4:8] != b"TFL3":
        raise ExportError("Not a .tflite file.")
    try:
        return schema.ModelT.InitFromPackedBuf(tflite, 0)
    except (*DAMAGED, MemoryError, UnicodeDecodeError) as error:
        raise ExportError(f"A damaged .tflite file: {error}") from None


def check_row_wise(tflite: bytes) -> int | None:
    """Check that every row of a batch is computed from that row alone.

    Returns:
        1 for a file that is cleared one row at a time only, because it fixes its batch; else None.

    Raises:
        ExportError: not a ``.tflite``, or one with operators that cannot be cleared; it names all.
    """
    model = read_model(tflite)
    try:
        if len(model.subgraphs) != 1:
            raise ExportError(f"The file holds {len(model.subgraphs)} subgraphs; one is allowed.")
        problems, one_row = _Walk(model).problems()
    except DAMAGED as error:
        raise ExportError(f"A damaged .tflite file: {error}") from None
    if problems:
        raise ExportError(
            f"The file is no function of one input, as far as can be told: {'; '.join(problems)}. "
            "Its rows could work on each other, or on what it remembers; export it without these."
        )
    return 1 if one_row else None


@dataclass
class _Op:
    """One operator, as rules see it."""

    walk: "_Walk"
    inputs: list[int]
    outputs: list[int]
    options: Any

    def shape(self, place: int) -> list[int]:
        return self.walk.shape(self.inputs[place])

    def is_computed(self, place: int) -> bool:
        return self.inputs[place] in self.walk.written

    def constant(self, place: int) -> list[int] | None:
        """The integers of a constant input, or None where it is computed or absent."""
        if place >= len(self.inputs) or self.inputs[place] < 0 or self.is_computed(place):
            return None
        tensor = self.walk.tensors[self.inputs[place]]
        data = self.walk.model.buffers[tensor.buffer].data
        if data is None:
            return None
        if tensor.type not in (schema.TensorType.INT32, schema.TensorType.INT64):
            return None
        kind = "<i8" if tensor.type == schema.TensorType.INT64 else "<i4"
        return [int(v) for v in np.frombuffer(np.asarray(data, np.uint8).tobytes(), kind)]


class _Walk:
    def __init__(self, model: Any) -> None:
        self.model, self.graph = model, model.subgraphs[0]
        self.tensors = self.graph.tensors
        self.written: set[int] = set()

    def shape(self, index: int) -> list[int]:
        shape = self.tensors[index].shape
        return [] if shape is None else [int(size) for size in shape]

    def problems(self) -> tuple[list[str], bool]:
        inputs = [int(i) for i in self.graph.inputs]
        self.written.update(inputs)
        batches = {self.shape(i)[0] for i in inputs if self.shape(i)}
        if len(batches) != 1:
            return ["its inputs do not share a batch"], False
        self.batch = batches.pop()
        found = [f"tensor '{_text(t.name)}' is a variable" for t in self.tensors if t.isVariable]
        one_row = False
        for written in self.graph.operators or []:
            code = self.model.operatorCodes[written.opcodeIndex]
            kind = max(code.builtinCode, code.deprecatedBuiltinCode)
            op = _Op(self, _indices(written.inputs), _indices(written.outputs), None)
            op.options = written.builtinOptions
            problem = self._problem(op, kind)
            if problem == _ONE_ROW and self.batch == 1:
                one_row, problem = True, ""
            if problem:
                name = _text(self.tensors[op.outputs[0]].name) if op.outputs else "?"
                found.append(f"{CODE_NAMES.get(kind, kind)} '{name}' ({problem})")
            self.written.update(op.outputs)
        missing = [int(i) for i in self.graph.outputs if int(i) not in self.written]
        if missing:
            found.append("an output that no operator writes")
        return found, one_row

    def _problem(self, op: _Op, kind: int) -> str:
        if kind not in _RULES:
            return "not among the operators that are known to be row-wise"
        computed = [i for i in op.inputs if i in self.written]
        for i in op.inputs:
            if i >= 0 and i not in self.written and not self._is_constant(i):
                return "reads a tensor that nothing has written yet"
        if any(i in self.written or self._is_constant(i) for i in op.outputs):
            return "writes a tensor a second time"
        if any(self.shape(i)[:1] != [self.batch] for i in [*computed, *op.outputs]):
            return "a tensor without the batch in front"
        return _RULES[kind](op)

    def _is_constant(self, index: int) -> bool:
        buffer = self.model.buffers[self.tensors[index].buffer]
        return buffer.data is not None and len(buffer.data) > 0


def _fine(op: _Op) -> str:
    del op
    return ""


def _elementwise(op: _Op) -> str:
    rank = len(op.walk.shape(op.outputs[0]))
    for place in range(len(op.inputs)):
        shape = op.shape(place)
        if op.is_computed(place) and len(shape) != rank:
            return "spreads one tensor over another's rows"
        if not op.is_computed(place) and len(shape) == rank and shape[0] != 1:
            return "a constant that differs by row"
    return ""


def _window(op: _Op) -> str:
    computed = [place for place in range(len(op.inputs)) if op.is_computed(place)]
    return "" if computed == [0] and len(op.shape(0)) == 4 else "weights that are computed"


def _fully_connected(op: _Op) -> str:
    if any(op.is_computed(place) for place in range(1, len(op.inputs)) if op.inputs[place] >= 0):
        return "weights that are computed"
    row, taken = op.shape(0)[1:], op.shape(1)[-1]
    if op.options.keepNumDims:
        return "" if row and row[-1] == taken else "takes other numbers than one row has"
    return "" if prod(row) == taken else "takes other numbers than one row has"


def _reshape(op: _Op) -> str:
    shape = op.constant(1)
    if shape is not None and len(op.shape(1)) != 1:
        return "its shape is no list"  # kernels would take the option's instead
    if shape is None and op.options is not None and op.options.newShape is not None:
        shape = [int(size) for size in op.options.newShape]
    if shape is None or not shape:
        return "its shape is computed"
    row = prod(op.shape(0)[1:])
    if shape[0] == -1 and min(shape[1:], default=1) > 0 and prod(shape[1:]) == row:
        return ""
    rest = shape[1:]
    known = prod(size for size in rest if size != -1)
    fits = known == row if -1 not in rest else rest.count(-1) == 1 and known and row % known == 0
    return _ONE_ROW if shape[0] == op.walk.batch and fits else "mixes rows and columns"


def _axis_of(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _joins(op: _Op) -> str:
    if not all(op.is_computed(place) for place in range(len(op.inputs))):
        return "joins constants"
    rank = len(op.walk.shape(op.outputs[0]))
    return "" if _axis_of(int(op.options.axis), rank) > 0 else "joins along the batch"


def _pad(op: _Op) -> str:
    paddings = op.constant(1)
    return "" if paddings and paddings[:2] == [0, 0] else "pads the batch"


def _strided_slice(op: _Op) -> str:
    strides, options = op.constant(3), op.options
    masks = options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask
    whole = options.beginMask & 1 and options.endMask & 1 and strides and strides[0] == 1
    return "" if whole and not masks else "cuts the batch"


def _slice(op: _Op) -> str:
    begin, size = op.constant(1), op.constant(2)
    if not begin or not size or begin[0] != 0:
        return "cuts the batch"
    return "" if size[0] == -1 else _ONE_ROW if size[0] == op.walk.batch else "cuts the batch"


def _transpose(op: _Op) -> str:
    axes = op.constant(1)
    return "" if axes and axes[0] == 0 else "moves the batch"


def _reduce(op: _Op) -> str:
    axes, rank = op.constant(1), len(op.shape(0))
    if not axes or any(_axis_of(axis, rank) <= 0 for axis in axes):
        return "reduces over the batch"
    return ""


def _last_axis(op: _Op) -> str:
    return "" if len(op.shape(0)) > 1 else "works along the batch"


def _squeeze(op: _Op) -> str:
    dims = op.options.squeezeDims
    rank = len(op.shape(0))
    if dims is None or not len(dims) or any(_axis_of(int(d), rank) <= 0 for d in dims):
        return "drops the batch"
    return ""


def _expand(op: _Op) -> str:
    axes = op.constant(1)
    rank = len(op.shape(0)) + 1
    return "" if axes and all(_axis_of(a, rank) > 0 for a in axes) else "moves the batch"


def _split(op: _Op) -> str:
    axes = op.constant(0)
    return "" if axes and _axis_of(axes[0], len(op.shape(1))) > 0 else "cuts the batch"


def _gather(op: _Op) -> str:
    if op.options.batchDims:
        return "gathers by row"
    if op.is_computed(0) and not op.is_computed(1):
        axis = _axis_of(int(op.options.axis), len(op.shape(0)))
        return "" if axis > 0 else "gathers along the batch"
    table = op.is_computed(1) and not op.is_computed(0) and int(op.options.axis) == 0
    return "" if table else "gathers rows by what is in them"


_ELEMENTWISE = (
    *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "PRELU", "SQUARED_DIFFERENCE"),
    *("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "ELU"),
    *("GELU", "ABS", "NEG", "EXP", "SQRT", "RSQRT", "SQUARE", "FLOOR", "ROUND", "CAST"),
    *("QUANTIZE", "DEQUANTIZE"),
)
_BY_NAME: dict[str, Callable[[_Op], str]] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _window),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D"), _window),
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "RESIZE_NEAREST_NEIGHBOR"), _fine),
    **dict.fromkeys(("RESIZE_BILINEAR", "LOCAL_RESPONSE_NORMALIZATION"), _fine),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), _reduce),
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"), _last_axis),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
    "FULLY_CONNECTED": _fully_connected,
    "RESHAPE": _reshape,
    "CONCATENATION": _joins,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "TRANSPOSE": _transpose,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand,
    "SPLIT": _split,
    "GATHER": _gather,
}
_RULES = {getattr(_Code, name): rule for name, rule in _BY_NAME.items()}


def _indices(array: Any) -> list[int]:
    return [] if array is None else [int(i) for i in array]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
