"""The file's frame: tensors, buffers, operator codes, signature."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tflite_export.flatbuffer.codes import CODES
from tflite_export.flatbuffer.packing import pack
from tflite_export.graph import IntegerGraph, Operator, Tensor

_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3

_Options = schema.BuiltinOptions
_Code = schema.BuiltinOperator


class Writer:
    """One file being written; buffer 0 stays empty, as the format asks."""

    def __init__(
        self,
        graph: IntegerGraph,
        io: str,
        metadata: Mapping[str, bytes],
        emitters: Mapping[type[Operator], Callable[[Any, Any], None]],
    ) -> None:
        self.graph = graph
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[tuple[int, int]] = []
        self.constants: dict[bytes, int] = {}
        self.metadata = [self._metadata(name, data) for name, data in metadata.items()]
        self.index = {tensor: self._activation(tensor) for tensor in graph.tensors}
        self.inputs = [self.index[t] for t in graph.inputs]
        self.outputs = [self.index[t] for t in graph.outputs]
        if io == "uint8":
            self.inputs = [self._unsigned(t, into_graph=True) for t in graph.inputs]
        for operator in graph.operators:
            emitters[type(operator)](self, operator)
        if io == "uint8":
            self.outputs = [self._unsigned(t, into_graph=False) for t in graph.outputs]

    def finish(self) -> bytes:
        """Return the file."""
        subgraph = schema.SubGraphT()
        subgraph.name = self.graph.name
        subgraph.tensors = self.tensors
        subgraph.operators = self.operators
        subgraph.inputs = self.inputs
        subgraph.outputs = self.outputs

        model = schema.ModelT()
        model.version = _SCHEMA_VERSION
        model.description = self.graph.name
        model.operatorCodes = [_operator_code(*code) for code in self.codes]
        model.subgraphs = [subgraph]
        model.buffers = self.buffers
        model.metadata = self.metadata or None
        model.signatureDefs = [self._signature()]

        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
        return bytes(builder.Output())

    def emit(
        self,
        operator: Operator,
        version: int,
        options: Any = None,
        constants: tuple[int, ...] = (),
    ) -> None:
        """Append one operator: its activations first, then constant tensors."""
        sources = [*(self.index[t] for t in operator.inputs), *constants]
        self.append(sources, self.index[operator.output], CODES[type(operator)], version, options)

    def append(
        self, inputs: list[int], output: int, code: int, version: int, options: Any = None
    ) -> None:
        """Append an operator of the file, by its code and the tensors' numbers."""
        if (code, version) not in self.codes:
            self.codes.append((code, version))
        written = schema.OperatorT()
        written.opcodeIndex = self.codes.index((code, version))
        written.inputs = inputs
        written.outputs = [output]
        if options is not None:
            written.builtinOptions = options
            written.builtinOptionsType = getattr(_Options, type(options).__name__[:-1])
        self.operators.append(written)

    def constant(
        self,
        name: str,
        value: npt.NDArray[Any],
        quantization: Any = None,
    ) -> int:
        """Append a constant tensor; equal bytes share one buffer."""
        data = value.tobytes()
        if data not in self.constants:
            self.constants[data] = self._buffer(data)
        return self._tensor(
            name, value.shape, _TYPES[value.dtype.name], self.constants[data], quantization
        )

    def packed(self, name: str, value: npt.NDArray[np.int64], storage: str, parameters: Any) -> int:
        """Append constant weights of one, one half or one quarter byte each."""
        data = pack(value, storage)
        if data not in self.constants:
            self.constants[data] = self._buffer(data)
        return self._tensor(name, value.shape, _TYPES[storage], self.constants[data], parameters)

    def intermediate(self, name: str, shape: tuple[int, ...]) -> int:
        """Append an int32 tensor that is computed and is none of the graph's."""
        return self._tensor(name, (1, *shape), schema.TensorType.INT32, 0, None)

    def _unsigned(self, tensor: Tensor, *, into_graph: bool) -> int:
        """A uint8 tensor before an input or behind an output; the shift by 128 is exact."""
        grid = tensor.grid
        shifted = self._tensor(
            f"{tensor.name}_uint8",
            (1, *tensor.shape),
            schema.TensorType.UINT8,
            0,
            quantization([tensor.scale], grid.zero_point + 128),
        )
        inside = self.index[tensor]
        source, output = (shifted, inside) if into_graph else (inside, shifted)
        self.append([source], output, _Code.QUANTIZE, 2, schema.QuantizeOptionsT())
        return shifted

    def _activation(self, tensor: Tensor) -> int:
        return self._tensor(
            tensor.name,
            (1, *tensor.shape),
            schema.TensorType.INT8,
            self._buffer(b""),
            quantization([tensor.scale], tensor.grid.zero_point),
        )

    def _tensor(
        self, name: str, shape: tuple[int, ...], kind: int, buffer: int, parameters: Any
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = list(shape)
        tensor.type = kind
        tensor.buffer = buffer
        tensor.quantization = parameters
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _buffer(self, data: bytes) -> int:
        if not data:
            return 0
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def _metadata(self, name: str, data: bytes) -> Any:
        entry = schema.MetadataT()
        entry.name = name
        entry.buffer = self._buffer(data)
        return entry

    def _signature(self) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.subgraphIndex = 0
        signature.inputs = _named(self.graph.inputs, self.inputs)
        signature.outputs = _named(self.graph.outputs, self.outputs)
        return signature


_TYPES = {
    "int4": schema.TensorType.INT4,
    "int2": schema.TensorType.INT2,
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
}


def quantization(scales: list[float], zero_point: int = 0, axis: int = 0) -> Any:
    """Quantization parameters of a tensor; several scales go along ``axis``."""
    parameters = schema.QuantizationParametersT()
    parameters.scale = np.asarray(scales, np.float32)
    parameters.zeroPoint = np.full(len(scales), zero_point, np.int64)
    parameters.quantizedDimension = axis
    return parameters


def _named(tensors: Sequence[Tensor], indices: Sequence[int]) -> list[Any]:
    entries = []
    for tensor, index in zip(tensors, indices, strict=True):
        entry = schema.TensorMapT()
        entry.name = tensor.name
        entry.tensorIndex = index
        entries.append(entry)
    return entries


def _operator_code(code: int, version: int) -> Any:
    written = schema.OperatorCodeT()
    # Older readers know the deprecated field only, newer ones take the larger of the two.
    written.deprecatedBuiltinCode = min(code, 127)
    written.builtinCode = code
    written.version = version
    return written
