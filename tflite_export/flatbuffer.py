"""Integer graph -> ``.tflite`` bytes.

Only writes down what the graph says: a scale is ``2**exponent``, a bias scale the product of its
neighbours', and a clip the fused activation that means it. No TensorFlow needed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tflite_export.errors import ExportError
from tflite_export.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    Tensor,
    accumulators_fit_float32,
)
from tflite_export.grid import INT8_MIN, Grid

_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
# XNNPACK rejects the whole file when a layer multiplies its accumulator by 2**8 or more.
_SMALLEST_SHIFT = -7
# The optimized ADD kernel overflows above (measured at 2**7).
_LARGEST_ADD_RATIO = 6
_SMALLEST_ADD_RATIO = -10

_Options = schema.BuiltinOptions
_Code = schema.BuiltinOperator
_Fused = schema.ActivationFunctionType


def to_flatbuffer(graph: IntegerGraph, *, metadata: Mapping[str, bytes] | None = None) -> bytes:
    """Serialize a graph as a fully integer ``.tflite``.

    Args:
        graph: the graph, after any pass that should act on it.
        metadata: named blobs to carry along.

    Raises:
        ExportError: an operator lies outside what the kernels compute exactly.
    """
    return _Writer(graph, metadata or {}).finish()


def fused_activation(grid: Grid) -> int | None:
    """The fused activation whose clip is the lower end of ``grid``; None where there is none.

    The upper end is int8's own saturation at 127.
    """
    if grid.minimum == INT8_MIN:
        return int(_Fused.NONE)
    if grid.is_unsigned:
        return int(_Fused.RELU)
    if grid.low == -1.0 and grid.high < 1.0:
        return int(_Fused.RELU_N1_TO_1)
    return None


class _Writer:
    """One file being written; buffer 0 stays empty, as the format asks."""

    def __init__(self, graph: IntegerGraph, metadata: Mapping[str, bytes]) -> None:
        self.graph = graph
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[tuple[int, int]] = []
        self.constants: dict[bytes, int] = {}
        self.metadata = [self._metadata(name, data) for name, data in metadata.items()]
        self.index = {tensor: self._activation(tensor) for tensor in graph.tensors}
        for operator in graph.operators:
            _EMITTERS[type(operator)](self, operator)

    def finish(self) -> bytes:
        subgraph = schema.SubGraphT()
        subgraph.name = self.graph.name
        subgraph.tensors = self.tensors
        subgraph.operators = self.operators
        subgraph.inputs = [self.index[t] for t in self.graph.inputs]
        subgraph.outputs = [self.index[t] for t in self.graph.outputs]

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
        code: int,
        version: int,
        options: Any = None,
        constants: tuple[int, ...] = (),
    ) -> None:
        """Append one operator: its activations first, then constant tensors."""
        if (code, version) not in self.codes:
            self.codes.append((code, version))
        written = schema.OperatorT()
        written.opcodeIndex = self.codes.index((code, version))
        written.inputs = [*(self.index[t] for t in operator.inputs), *constants]
        written.outputs = [self.index[operator.output]]
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

    def _activation(self, tensor: Tensor) -> int:
        grid = tensor.grid
        return self._tensor(
            tensor.name,
            (1, *tensor.shape),
            schema.TensorType.INT8,
            self._buffer(b""),
            quantization([grid.step], grid.zero_point),
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
        signature.inputs = [self._named(t) for t in self.graph.inputs]
        signature.outputs = [self._named(t) for t in self.graph.outputs]
        return signature

    def _named(self, tensor: Tensor) -> Any:
        entry = schema.TensorMapT()
        entry.name = tensor.name
        entry.tensorIndex = self.index[tensor]
        return entry


_TYPES = {
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


def _operator_code(code: int, version: int) -> Any:
    written = schema.OperatorCodeT()
    # Older readers know the deprecated field only, newer ones take the larger of the two.
    written.deprecatedBuiltinCode = min(code, 127)
    written.builtinCode = code
    written.version = version
    return written


def _linear_constants(writer: _Writer, operator: Linear) -> tuple[int, int]:
    name = operator.output.name
    if not accumulators_fit_float32(operator):
        raise ExportError(
            f"{name}: shifts its accumulator by {operator.shift.max()} bits, too far for "
            f"XNNPACK's float32. Give it a finer output grid or coarser weights."
        )
    if operator.shift.min() < _SMALLEST_SHIFT:
        raise ExportError(
            f"{name}: multiplies its accumulator by 2^{-operator.shift.min()}, which XNNPACK "
            f"refuses to load. Give it a coarser output grid or finer weights."
        )
    exponents = operator.weight_exponents
    axis = operator.channel_axis
    weights = writer.constant(
        f"{name}/weights",
        operator.weights.astype(np.int8),
        quantization(list(2.0**exponents), axis=axis),
    )
    bias = writer.constant(
        f"{name}/bias",
        operator.bias.astype(np.int32),
        quantization(list(2.0 ** (exponents + operator.source.grid.exponent))),
    )
    return weights, bias


def _fused(operator: Operator) -> int:
    fused = fused_activation(operator.output.grid)
    if fused is None:
        raise ExportError(
            f"{operator.output.name}: no fused activation clips to ({operator.output.grid}); "
            f"run the explicit_clips pass first."
        )
    return fused


def _padding(padding: str) -> int:
    return int(getattr(schema.Padding, padding))


def _conv(writer: _Writer, operator: Conv2D) -> None:
    options = schema.Conv2DOptionsT()
    options.padding = _padding(operator.padding)
    options.strideH, options.strideW = operator.strides
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    options.fusedActivationFunction = _fused(operator)
    writer.emit(operator, _Code.CONV_2D, 3, options, _linear_constants(writer, operator))


def _depthwise(writer: _Writer, operator: DepthwiseConv2D) -> None:
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = _padding(operator.padding)
    options.strideH, options.strideW = operator.strides
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    options.depthMultiplier = operator.multiplier
    options.fusedActivationFunction = _fused(operator)
    writer.emit(operator, _Code.DEPTHWISE_CONV_2D, 3, options, _linear_constants(writer, operator))


def _fully_connected(writer: _Writer, operator: FullyConnected) -> None:
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = len(operator.output.shape) > 1
    options.fusedActivationFunction = _fused(operator)
    writer.emit(operator, _Code.FULLY_CONNECTED, 4, options, _linear_constants(writer, operator))


def _add(writer: _Writer, operator: Add) -> None:
    out = operator.output.grid
    for tensor in operator.inputs:
        ratio = tensor.grid.exponent - out.exponent
        # A coarser output rounds, and kernels agree on that only on unsigned grids.
        smallest = _SMALLEST_ADD_RATIO if out.is_unsigned else 0
        if not smallest <= ratio <= _LARGEST_ADD_RATIO:
            raise ExportError(
                f"{operator.output.name}: adds '{tensor.name}' of step 2^{tensor.grid.exponent} "
                f"onto step 2^{out.exponent}; the kernels agree on ratios of 2^{smallest} to "
                f"2^{_LARGEST_ADD_RATIO} here. Bring the branch to the sum's step with a quantized "
                f"activation, or follow the Add with a quantized ReLU."
            )
    options = schema.AddOptionsT()
    options.fusedActivationFunction = _fused(operator)
    writer.emit(operator, _Code.ADD, 2, options)


def _max_pool(writer: _Writer, operator: MaxPool2D) -> None:
    options = schema.Pool2DOptionsT()
    options.padding = _padding(operator.padding)
    options.strideH, options.strideW = operator.strides
    options.filterHeight, options.filterWidth = operator.pool
    writer.emit(operator, _Code.MAX_POOL_2D, 2, options)


def _maximum(writer: _Writer, operator: Maximum) -> None:
    grid = operator.output.grid
    bound = writer.constant(
        f"{operator.output.name}/bound",
        np.array([operator.bound], np.int8),
        quantization([grid.step], grid.zero_point),
    )
    writer.emit(operator, _Code.MAXIMUM, 2, schema.MaximumMinimumOptionsT(), (bound,))


def _pad(writer: _Writer, operator: Pad) -> None:
    paddings = np.array([(0, 0), *operator.paddings], np.int32)
    constant = writer.constant(f"{operator.output.name}/paddings", paddings)
    writer.emit(operator, _Code.PAD, 2, schema.PadOptionsT(), (constant,))


def _reshape(writer: _Writer, operator: Reshape) -> None:
    # A batch of -1, in the tensor and in the options, keeps resize_tensor_input working.
    shape = np.array([-1, *operator.output.shape], np.int32)
    options = schema.ReshapeOptionsT()
    options.newShape = shape.tolist()
    constant = writer.constant(f"{operator.output.name}/shape", shape)
    writer.emit(operator, _Code.RESHAPE, 1, options, (constant,))


_EMITTERS: dict[type[Operator], Callable[[_Writer, Any], None]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _depthwise,
    FullyConnected: _fully_connected,
    Add: _add,
    MaxPool2D: _max_pool,
    Maximum: _maximum,
    Pad: _pad,
    Reshape: _reshape,
}
