"""What a ``.tflite`` holds, read from its bytes without running it."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_export.errors import ExportError
from tflite_export.flatbuffer.codes import CODE_NAMES, KINDS, is_linear
from tflite_export.leaning import read_scale
from tflite_export.printable import printable

_TYPES = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
#: Characters of a name in a table.
_LONGEST = 60
_WEIGHTED = {CODE_NAMES[code] for code in KINDS if is_linear(code)}


@dataclass(frozen=True)
class FileTensor:
    """A tensor of the file.

    Attributes:
        name: in the file.
        kind: its type, such as INT8.
        shape: with the batch.
        scale: its first scale, 0 without quantization.
        scales: how many scales it has.
        zero_point: its first zero point.
        stored_bytes: of its constant data; 0 for activations.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    scale: float
    scales: int
    zero_point: int
    stored_bytes: int

    @property
    def is_power_of_two(self) -> bool:
        """Whether the (first) step is an exact power of two."""
        return self.scale > 0 and bool(np.frexp(np.float64(self.scale))[0] == 0.5)


@dataclass(frozen=True)
class FileOperator:
    """An operator of the file.

    Attributes:
        kind: such as CONV_2D.
        inputs: constants included.
        outputs: what it writes.
        macs: multiply-accumulates for a batch of one.
    """

    kind: str
    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    macs: int


@dataclass(frozen=True)
class Inspection:
    """A file's content; ``str()`` is a table.

    Attributes:
        operators: in the order in which they run.
        inputs: of the model.
        outputs: of the model.
        metadata: its metadata entries.
        file_bytes: its size.
    """

    operators: tuple[FileOperator, ...]
    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    metadata: dict[str, bytes]
    file_bytes: int

    @property
    def float_tensors(self) -> tuple[str, ...]:
        """Names of the tensors that are not integers."""
        tensors = [t for o in self.operators for t in (*o.inputs, *o.outputs)]
        return tuple(sorted({t.name for t in tensors if t.kind.startswith("FLOAT")}))

    def __str__(self) -> str:
        from tabulate import tabulate

        header = "output operator shape type grid weights bytes MACs".split()
        lines = [_line(operator) for operator in self.operators]
        macs = sum(operator.macs for operator in self.operators)
        floats = self.float_tensors
        verdict = (
            "fully integer"
            if not floats
            else f"{len(floats)} float tensors: {printable(floats[0])}, ..."
        )
        return (
            f"inputs   {'; '.join(_described(t) for t in self.inputs)}\n"
            f"outputs  {'; '.join(_described(t) for t in self.outputs)}\n\n"
            f"{tabulate(lines, header, tablefmt='simple', disable_numparse=True)}\n\n"
            f"{self.file_bytes:,} bytes, {macs:,} MACs, {verdict}"
        )


def inspect(model: bytes) -> Inspection:
    """Read a file.

    Raises:
        ExportError: the bytes are no ``.tflite``, or damaged.
    """
    if model[4:8] != b"TFL3":
        raise ExportError("Not a .tflite file: the identifier TFL3 is missing.")
    try:
        return _read(schema.ModelT.InitFromPackedBuf(model, 0), len(model))
    except ExportError:
        raise
    except Exception as error:  # damaged offsets surface as whatever they happen to break
        raise ExportError(
            f"A damaged .tflite file ({type(error).__name__}). Export or copy it again."
        ) from None


def _read(model: Any, size: int) -> Inspection:
    graph = model.subgraphs[0]
    tensors = [_tensor(tensor, model.buffers) for tensor in graph.tensors]
    operators = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = CODE_NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        inputs = tuple(tensors[i] for i in operator.inputs if i >= 0)
        outputs = tuple(tensors[i] for i in operator.outputs)
        operators.append(FileOperator(kind, inputs, outputs, _macs(kind, inputs, outputs)))
    metadata = {
        _text(entry.name): bytes(model.buffers[entry.buffer].data)
        for entry in model.metadata or []
        if entry.buffer < len(model.buffers)  # no runtime follows one that leads nowhere
    }
    return Inspection(
        operators=tuple(operators),
        inputs=tuple(tensors[i] for i in graph.inputs),
        outputs=tuple(tensors[i] for i in graph.outputs),
        metadata=metadata,
        file_bytes=size,
    )


def _tensor(tensor: Any, buffers: Any) -> FileTensor:
    quantization = tensor.quantization
    scales = [] if quantization is None or quantization.scale is None else quantization.scale
    points = (
        [] if quantization is None or quantization.zeroPoint is None else quantization.zeroPoint
    )
    data = buffers[tensor.buffer].data
    return FileTensor(
        name=_text(tensor.name),
        kind=_TYPES[tensor.type],
        shape=tuple(int(size) for size in ([] if tensor.shape is None else tensor.shape)),
        scale=float(scales[0]) if len(scales) else 0.0,
        scales=len(scales),
        zero_point=int(points[0]) if len(points) else 0,
        stored_bytes=0 if data is None else len(data),
    )


def _macs(kind: str, inputs: tuple[FileTensor, ...], outputs: tuple[FileTensor, ...]) -> int:
    if kind not in _WEIGHTED:
        return 0
    weights, out = inputs[1].shape, outputs[0].shape
    if kind == "FULLY_CONNECTED":
        return prod(weights) * (prod(out) // weights[0])
    return prod(weights) * out[1] * out[2]


def _line(operator: FileOperator) -> list[Any]:
    if not operator.outputs:
        return ["", operator.kind]  # no file of ours, and still to be shown
    output = operator.outputs[0]
    weights = operator.inputs[1] if operator.kind in _WEIGHTED else None
    return [
        printable(output.name, _LONGEST),
        operator.kind,
        "x".join(map(str, output.shape)),
        output.kind,
        _grid(output),
        weights and f"{weights.kind}, {weights.scales} scales",
        sum(t.stored_bytes for t in operator.inputs) or None,
        operator.macs or None,
    ]


def _grid(tensor: FileTensor) -> str:
    if not tensor.scales:
        return ""
    found = read_scale(tensor.scale)
    if found is not None:
        step = f"2^{found[0]}" + (f", leaning by {found[1]}" if found[1] else "")
    else:
        step = f"{tensor.scale:.4g}"
    return f"step {step}, zero {tensor.zero_point}"


def _described(tensor: FileTensor) -> str:
    shape = "x".join(map(str, tensor.shape))
    return (
        f"{printable(tensor.name, _LONGEST)} {tensor.kind} {shape} ({_grid(tensor)}{_held(tensor)})"
    )


def _held(tensor: FileTensor) -> str:
    """What an 8-bit input or output holds, in real units: ": 0 to 255"."""
    lowest = {"INT8": -128, "UINT8": 0}.get(tensor.kind)
    if lowest is None or not tensor.scales:
        return ""
    low, high = ((q - tensor.zero_point) * tensor.scale for q in (lowest, lowest + 255))
    return f": {low:g} to {high:g}"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
