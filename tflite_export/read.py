"""A ``.tflite`` of this package back to its integer graph, without its Keras model.

Reads what ``tflite_export.flatbuffer`` writes and no more: int8 tensors, power-of-two steps, known
operators. The tie-free scaling is undone, which gives the same integers from smaller weights.
"""

from collections.abc import Callable
from dataclasses import replace
from math import frexp
from typing import Any

import numpy as np
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
)
from tflite_export.grid import INT8_MIN, Grid, IntArray
from tflite_export.passes.tie_free import unscaled
from tflite_export.printable import printable

_IDENTIFIER = b"TFL3"
_Code = schema.BuiltinOperator
_Fused = schema.ActivationFunctionType
_Type = schema.TensorType
_NAMES = {value: name for name, value in vars(_Code).items() if name.isupper()}
_PACKED_BITS = {_Type.INT8: 8, _Type.INT4: 4, _Type.INT2: 2}
_PLAIN: dict[int, np.dtype[Any]] = {_Type.INT32: np.dtype("<i4"), _Type.INT64: np.dtype("<i8")}


def read_graph(tflite: bytes) -> IntegerGraph:
    """Read a file that ``tflite_export.export`` made.

    Raises:
        ExportError: no such file, or one that holds something else.
    """
    if tflite[4:8] != _IDENTIFIER:
        raise ExportError("Not a .tflite file.")
    try:
        model = schema.ModelT.InitFromPackedBuf(tflite, 0)
        if len(model.subgraphs) != 1:
            raise ExportError(f"The file holds {len(model.subgraphs)} subgraphs; the C has one.")
        return _Reader(model).graph()
    except ExportError:
        raise
    except Exception as error:  # damaged offsets surface as whatever they happen to break
        raise ExportError(
            f"A damaged .tflite file ({printable(str(error) or type(error).__name__)}). Export or "
            "copy it again."
        ) from None


class _Reader:
    """One file being read."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.subgraph = model.subgraphs[0]
        self.tensors: dict[int, Tensor] = {}
        self.operators: list[Operator] = []

    def graph(self) -> IntegerGraph:
        inputs = tuple(self.activation(int(i)) for i in self.subgraph.inputs)
        for written in self.subgraph.operators:
            self.operators.append(self._operator(written))
        outputs = tuple(self.tensors[int(i)] for i in self.subgraph.outputs)
        name = _text(self.subgraph.name) or "model"
        return IntegerGraph(name, inputs, outputs, tuple(self.operators))

    def activation(self, index: int, *, minimum: int | None = None) -> Tensor:
        """A tensor that the file computes; its upper end is int8's."""
        written = self.subgraph.tensors[index]
        name = _text(written.name)
        if written.type != _Type.INT8:
            raise ExportError(f"'{name}' is not int8; export with io='int8' to write C.")
        zero_point = int(written.quantization.zeroPoint[0])
        least = INT8_MIN if minimum is None else minimum
        grid = Grid(_exponent(written.quantization.scale[0], name), zero_point, least)
        self.tensors[index] = Tensor(name, tuple(int(s) for s in written.shape[1:]), grid)
        return self.tensors[index]

    def data(self, index: int) -> Any:
        """The constant array of a tensor, packed weights as int64."""
        written = self.subgraph.tensors[index]
        raw = self.model.buffers[written.buffer].data
        if raw is None or len(raw) == 0:
            raise ExportError(f"'{_text(written.name)}' has to be a constant.")
        content = np.asarray(raw, np.uint8).tobytes()
        shape = tuple(int(s) for s in written.shape)
        if written.type in _PLAIN:
            return np.frombuffer(content, _PLAIN[written.type]).astype(np.int64).reshape(shape)
        if written.type not in _PACKED_BITS:
            raise ExportError(f"'{_text(written.name)}' has a type that the C does not know.")
        bits = _PACKED_BITS[written.type]
        size = int(np.prod(shape))
        fields = np.frombuffer(content, np.uint8)[:, None] >> np.arange(0, 8, bits, dtype=np.uint8)
        values = fields.reshape(-1)[:size].astype(np.int64) & ((1 << bits) - 1)
        return (values - ((values >> (bits - 1)) << bits)).reshape(shape)

    def linear(self, written: Any, options: Any) -> dict[str, Any]:
        """What all weighted operators share."""
        source = self.tensors[int(written.inputs[0])]
        weights = self.subgraph.tensors[int(written.inputs[1])]
        scales = np.atleast_1d(weights.quantization.scale)
        bias = self.data(int(written.inputs[2]))
        exponents = [_exponent(scale, _text(weights.name)) for scale in scales]
        return {
            "inputs": (source,),
            "output": self.output(written, options),
            "weights": self.data(int(written.inputs[1])),
            "weight_exponents": np.broadcast_to(np.array(exponents, np.int64), bias.shape),
            "bias": bias,
        }

    def output(self, written: Any, options: Any = None) -> Tensor:
        """The output of an operator that rounds, clipped as its fused activation says."""
        index = int(written.outputs[0])
        tensor = self.activation(index)
        grid = tensor.grid
        fused = _Fused.NONE if options is None else options.fusedActivationFunction
        if fused == _Fused.NONE:
            return tensor
        if fused == _Fused.RELU:
            return self.activation(index, minimum=grid.zero_point)
        if fused == _Fused.RELU_N1_TO_1:
            return self.activation(index, minimum=grid.zero_point - (1 << -grid.exponent))
        raise ExportError(f"'{tensor.name}': fused activation {fused} has no C form.")

    def moved(self, written: Any) -> dict[str, Any]:
        """An operator that only moves integers keeps its input's grid."""
        inputs = [self.tensors[int(i)] for i in written.inputs if int(i) in self.tensors]
        least = min(tensor.grid.minimum for tensor in inputs)
        output = self.activation(int(written.outputs[0]), minimum=least)
        return {"inputs": tuple(self._widened(t, least) for t in inputs), "output": output}

    def _widened(self, tensor: Tensor, minimum: int) -> Tensor:
        """The same integers on a grid that starts lower; a file does not say where one starts."""
        if tensor.grid.minimum == minimum:
            return tensor
        wide = Tensor(f"{tensor.name}_wide", tensor.shape, replace(tensor.grid, minimum=minimum))
        self.operators.append(Maximum(inputs=(tensor,), output=wide, bound=minimum))
        return wide

    def _operator(self, written: Any) -> Operator:
        code = self.model.operatorCodes[written.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind not in _READERS:
            raise ExportError(f"{_NAMES.get(kind, kind)} is no operator that the C knows.")
        operator = _READERS[kind](self, written, written.builtinOptions)
        return unscaled(operator) if isinstance(operator, Linear) else operator


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


def _exponent(scale: Any, name: str) -> int:
    mantissa, exponent = frexp(float(scale))
    if mantissa != 0.5:
        raise ExportError(
            f"'{name}' has the step {float(scale):g}, which is no power of two; the C takes files "
            f"of tflite_export only."
        )
    return exponent - 1


def _padding(options: Any) -> str:
    return "SAME" if options.padding == schema.Padding.SAME else "VALID"


def _sliding(options: Any) -> dict[str, Any]:
    return {
        "strides": (int(options.strideH), int(options.strideW)),
        "padding": _padding(options),
        "dilation": (int(options.dilationHFactor), int(options.dilationWFactor)),
    }


def _add(reader: _Reader, written: Any, options: Any) -> Operator:
    inputs = tuple(reader.tensors[int(i)] for i in written.inputs)
    return Add(inputs=inputs, output=reader.output(written, options))


def _max_pool(reader: _Reader, written: Any, options: Any) -> Operator:
    return MaxPool2D(
        **reader.moved(written),
        pool=(int(options.filterHeight), int(options.filterWidth)),
        strides=(int(options.strideH), int(options.strideW)),
        padding=_padding(options),
    )


def _maximum(reader: _Reader, written: Any, options: Any) -> Operator:
    del options  # Has none.
    bound = int(reader.data(int(written.inputs[1])).reshape(-1)[0])
    source = reader.tensors[int(written.inputs[0])]
    output = reader.activation(int(written.outputs[0]), minimum=bound)
    return Maximum(inputs=(source,), output=output, bound=bound)


def _pairs(array: IntArray) -> tuple[tuple[int, int], ...]:
    return tuple((int(before), int(after)) for before, after in array[1:])


def _crop(reader: _Reader, written: Any, options: Any) -> Operator:
    del options  # The masks open the batch only.
    moved = reader.moved(written)
    begin, end = (reader.data(int(i)) for i in written.inputs[1:3])
    shape = (0, *moved["inputs"][0].shape)
    crops = np.stack([begin, np.array(shape) - end], axis=1)
    return Crop(**moved, crops=_pairs(crops))


def _transpose(reader: _Reader, written: Any, options: Any) -> Operator:
    del options  # Has none.
    axes = reader.data(int(written.inputs[1]))
    return Transpose(**reader.moved(written), axes=tuple(int(axis) - 1 for axis in axes[1:]))


def _resize(reader: _Reader, written: Any, options: Any) -> Operator:
    if options.alignCorners or options.halfPixelCenters:
        raise ExportError("RESIZE_NEAREST_NEIGHBOR with aligned corners has no C form.")
    moved = reader.moved(written)
    (height, width, _), (rows, columns, _) = moved["inputs"][0].shape, moved["output"].shape
    if rows % height or columns % width:
        raise ExportError("RESIZE_NEAREST_NEIGHBOR by a fraction has no C form.")
    return ResizeNearest(**moved, factors=(rows // height, columns // width))


_READERS: dict[int, Callable[[_Reader, Any, Any], Operator]] = {
    _Code.ADD: _add,
    _Code.CONCATENATION: lambda r, w, o: Concatenate(**r.moved(w), axis=int(o.axis) - 1),
    _Code.CONV_2D: lambda r, w, o: Conv2D(**r.linear(w, o), **_sliding(o)),
    _Code.DEPTHWISE_CONV_2D: lambda r, w, o: DepthwiseConv2D(**r.linear(w, o), **_sliding(o)),
    _Code.FULLY_CONNECTED: lambda r, w, o: FullyConnected(**r.linear(w, o)),
    _Code.MAX_POOL_2D: _max_pool,
    _Code.MAXIMUM: _maximum,
    _Code.PAD: lambda r, w, o: Pad(**r.moved(w), paddings=_pairs(r.data(int(w.inputs[1])))),
    _Code.RESHAPE: lambda r, w, o: Reshape(**r.moved(w)),
    _Code.RESIZE_NEAREST_NEIGHBOR: _resize,
    _Code.STRIDED_SLICE: _crop,
    _Code.TRANSPOSE: _transpose,
}
