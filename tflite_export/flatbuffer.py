"""Integer graph -> ``.tflite`` bytes.

Only writes down what the graph says: a scale is ``2**exponent``, a bias scale the product of its
neighbours', and a clip the fused activation that means it. No TensorFlow needed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tflite_export.errors import ExportError
from tflite_export.graph import (
    Add,
    Concatenate,
    Conv2D,
    Crop,
    DepthwiseConv2D,
    FullyConnected,
    IntegerGraph,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Pad,
    Reshape,
    ResizeNearest,
    Tensor,
    Transpose,
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


def to_flatbuffer(
    graph: IntegerGraph, *, io: str = "int8", metadata: Mapping[str, bytes] | None = None
) -> bytes:
    """Serialize a graph as a fully integer ``.tflite``.

    Args:
        graph: the graph, after any pass that should act on it.
        io: "int8", or "uint8" for inputs and outputs shifted by 128.
        metadata: named blobs to carry along.

    Raises:
        ExportError: an operator lies outside what the kernels compute exactly.
    """
    return _Writer(graph, io, metadata or {}).finish()


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

    def __init__(self, graph: IntegerGraph, io: str, metadata: Mapping[str, bytes]) -> None:
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
            _EMITTERS[type(operator)](self, operator)
        if io == "uint8":
            self.outputs = [self._unsigned(t, into_graph=False) for t in graph.outputs]

    def finish(self) -> bytes:
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
        code: int,
        version: int,
        options: Any = None,
        constants: tuple[int, ...] = (),
    ) -> None:
        """Append one operator: its activations first, then constant tensors."""
        sources = [*(self.index[t] for t in operator.inputs), *constants]
        self._append(sources, self.index[operator.output], code, version, options)

    def _append(
        self, inputs: list[int], output: int, code: int, version: int, options: Any = None
    ) -> None:
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

    def _unsigned(self, tensor: Tensor, *, into_graph: bool) -> int:
        """A uint8 tensor before an input or behind an output; the shift by 128 is exact."""
        grid = tensor.grid
        shifted = self._tensor(
            f"{tensor.name}_uint8",
            (1, *tensor.shape),
            schema.TensorType.UINT8,
            0,
            quantization([grid.step], grid.zero_point + 128),
        )
        inside = self.index[tensor]
        source, output = (shifted, inside) if into_graph else (inside, shifted)
        self._append([source], output, _Code.QUANTIZE, 2, schema.QuantizeOptionsT())
        return shifted

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
        signature.inputs = _named(self.graph.inputs, self.inputs)
        signature.outputs = _named(self.graph.outputs, self.outputs)
        return signature


def pack(values: npt.NDArray[np.int64], storage: str) -> bytes:
    """Weights as bytes, the lowest bits first: two a byte in int4, four in int2."""
    bits = _BITS[storage]
    flat = values.astype(np.int8).ravel().view(np.uint8) & (2**bits - 1)
    per_byte = 8 // bits
    padded = np.zeros(-(-flat.size // per_byte) * per_byte, np.uint8)
    padded[: flat.size] = flat
    shifts = np.arange(per_byte, dtype=np.uint8) * bits
    return bytes(np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1).astype("u1"))


def _named(tensors: Sequence[Tensor], indices: Sequence[int]) -> list[Any]:
    entries = []
    for tensor, index in zip(tensors, indices, strict=True):
        entry = schema.TensorMapT()
        entry.name = tensor.name
        entry.tensorIndex = index
        entries.append(entry)
    return entries


_BITS = {"int8": 8, "int4": 4, "int2": 2}
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
    # Multipliers are halves times powers of two: kernels shift left by one bit more than needed.
    if np.any(operator.accumulator_bound * 2.0 ** np.maximum(1 - operator.shift, 0) >= 2**31):
        raise ExportError(
            f"{name}: multiplies large accumulators by 2^{-operator.shift.min()}, beyond the int32 "
            f"of some kernels. Give it a coarser output grid."
        )
    exponents = operator.weight_exponents
    axis = operator.channel_axis
    if operator.storage == "int4" and isinstance(operator, FullyConnected):
        exponents = exponents[:1]  # one scale: TFLM's int4 kernel takes no more
    weights = writer.packed(
        f"{name}/weights",
        operator.weights,
        operator.storage,
        quantization(list(2.0**exponents), axis=axis),
    )
    bias = writer.constant(
        f"{name}/bias",
        operator.bias.astype(np.int32),
        quantization(list(2.0 ** (exponents + operator.source.grid.exponent))),
    )
    return weights, bias


def _version(operator: Linear) -> int:
    """Of a convolution, which grew int4 weights in version 7."""
    return 3 if operator.storage == "int8" else 7


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
    constants = _linear_constants(writer, operator)
    writer.emit(operator, _Code.CONV_2D, _version(operator), options, constants)


def _depthwise(writer: _Writer, operator: DepthwiseConv2D) -> None:
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = _padding(operator.padding)
    options.strideH, options.strideW = operator.strides
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    options.depthMultiplier = operator.multiplier
    options.fusedActivationFunction = _fused(operator)
    constants = _linear_constants(writer, operator)
    writer.emit(operator, _Code.DEPTHWISE_CONV_2D, _version(operator), options, constants)


def _fully_connected(writer: _Writer, operator: FullyConnected) -> None:
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = len(operator.output.shape) > 1
    options.fusedActivationFunction = _fused(operator)
    version = 4 if operator.storage == "int8" else 10
    constants = _linear_constants(writer, operator)
    writer.emit(operator, _Code.FULLY_CONNECTED, version, options, constants)


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


def _crop(writer: _Writer, operator: Crop) -> None:
    """STRIDED_SLICE: its masks leave the batch open, which SLICE cannot."""
    name, sizes = operator.output.name, operator.inputs[0].shape
    ends = [size - after for (_, after), size in zip(operator.crops, sizes, strict=True)]
    begin = np.array([0, *(before for before, _ in operator.crops)], np.int32)
    end = np.array([0, *ends], np.int32)
    options = schema.StridedSliceOptionsT()
    options.beginMask = options.endMask = 1
    constants = (
        writer.constant(f"{name}/begin", begin),
        writer.constant(f"{name}/end", end),
        writer.constant(f"{name}/strides", np.ones_like(begin)),
    )
    writer.emit(operator, _Code.STRIDED_SLICE, 2, options, constants)


def _transpose(writer: _Writer, operator: Transpose) -> None:
    axes = np.array([0, *(axis + 1 for axis in operator.axes)], np.int32)
    constant = writer.constant(f"{operator.output.name}/axes", axes)
    writer.emit(operator, _Code.TRANSPOSE, 2, schema.TransposeOptionsT(), (constant,))


def _resize_nearest(writer: _Writer, operator: ResizeNearest) -> None:
    for length, factor in zip(operator.output.shape[:2], operator.factors, strict=True):
        # Kernels find the source of a row or column in float32, which misses for some factors.
        scale = np.float32(length // factor) / np.float32(length)
        found = np.floor(np.arange(length, dtype=np.float32) * scale)
        if np.any(found != np.arange(length) // factor):
            raise ExportError(
                f"{operator.output.name}: kernels misplace rows or columns when they repeat "
                f"{length // factor} of them {factor} times. Use another factor, or two in turn."
            )
    size = np.array(operator.output.shape[:2], np.int32)
    constant = writer.constant(f"{operator.output.name}/size", size)
    options = schema.ResizeNearestNeighborOptionsT()
    writer.emit(operator, _Code.RESIZE_NEAREST_NEIGHBOR, 2, options, (constant,))


def _concatenate(writer: _Writer, operator: Concatenate) -> None:
    options = schema.ConcatenationOptionsT()
    options.axis = operator.axis + 1
    writer.emit(operator, _Code.CONCATENATION, 2, options)


_EMITTERS: dict[type[Operator], Callable[[_Writer, Any], None]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _depthwise,
    FullyConnected: _fully_connected,
    Add: _add,
    MaxPool2D: _max_pool,
    Maximum: _maximum,
    Pad: _pad,
    Reshape: _reshape,
    Crop: _crop,
    Transpose: _transpose,
    ResizeNearest: _resize_nearest,
    Concatenate: _concatenate,
}
