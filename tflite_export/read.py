"""A ``.tflite`` of this package back to its integer graph, without its Keras model.

Reads what ``tflite_export.flatbuffer`` writes and no more: int8 tensors, power-of-two steps, known
operators, uint8 at the borders only. The scale of a sum and of what follows may lean
(``leaning``): how far is read off the scale itself, and refused where no sum accounts for it.
The tie-free scaling, of weights or of activations, is undone unless asked otherwise, which gives
the same integers from smaller ones.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_export.errors import ExportError
from tflite_export.flatbuffer.codes import CODE_NAMES, KINDS
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
    Table,
    Tensor,
    Transpose,
)
from tflite_export.grid import INT8_MIN, Grid, IntArray
from tflite_export.leaning import read_scale
from tflite_export.passes.spread import unspread
from tflite_export.passes.tie_free import unscaled
from tflite_export.read_tables import makes_indices, read_table
from tflite_export.row_wise import DAMAGED, check_row_wise, read_model
from tflite_export.spreading import SPREAD, spreads

_Code = schema.BuiltinOperator
_Fused = schema.ActivationFunctionType
_Type = schema.TensorType
#: The metadata entry in which a file of ours says what it is.
ENTRY = "tflite_export"
#: Ends the name of a tensor that stands for the same integers on a grid that starts lower.
WIDENED = "/widened"
_OFF = "which is no power of two"
_PACKED_BITS = {_Type.INT8: 8, _Type.INT4: 4, _Type.INT2: 2}
_STORAGES = {_Type.INT4: "int4", _Type.INT2: "int2"}
_PLAIN: dict[int, np.dtype[Any]] = {_Type.INT32: np.dtype("<i4"), _Type.INT64: np.dtype("<i8")}


def read_graph(tflite: bytes, *, as_stored: bool = False) -> IntegerGraph:
    """Read a file that ``tflite_export.export`` made.

    Args:
        tflite: the file.
        as_stored: keep the weights of the file; the tie-free scaling is undone otherwise.

    Raises:
        ExportError: no such file, or one that holds something else.
    """
    check_row_wise(tflite)
    try:
        return Reader(read_model(tflite), as_stored=as_stored).graph()
    except ExportError:
        raise
    except DAMAGED as error:
        raise ExportError(f"A damaged .tflite file: {error}") from None


def border_types(tflite: bytes) -> set[str]:
    """Return the types of a file's inputs and outputs: "int8" or "uint8" in files of ours."""
    graph = read_model(tflite).subgraphs[0]
    kinds = {graph.tensors[int(i)].type for i in (*graph.inputs, *graph.outputs)}
    return {name.lower() for name, kind in vars(_Type).items() if kind in kinds}


class Reader:
    """One file being read."""

    def __init__(self, model: Any, *, as_stored: bool) -> None:
        self.model, self.as_stored = model, as_stored
        self.subgraph = model.subgraphs[0]
        self.tensors: dict[int, Tensor] = {}
        self.places: dict[int, tuple[int, Any]] = {}  # int32 indices of tables, see read_tables
        self.operators: list[Operator] = []

    def graph(self) -> IntegerGraph:
        """Return the whole file as a graph."""
        written = list(self.subgraph.operators)
        sources = [self.inside(int(i), written, before=True) for i in self.subgraph.inputs]
        results = [self.inside(int(i), written, before=False) for i in self.subgraph.outputs]
        inputs = tuple(self.activation(i) for i in sources)
        for tensor in inputs:
            if tensor.lean:
                raise ExportError(f"'{tensor.name}' has the step {tensor.scale:g}, {_OFF}.")
        for operator in written:
            if not makes_indices(self, operator):
                self.operators.append(self._operator(operator))
        outputs = tuple(self.tensors[i] for i in results)
        name = _text(self.subgraph.name) or "model"
        graph = IntegerGraph(name, inputs, outputs, tuple(self.operators))
        return graph if self.as_stored else unspread(graph)

    def inside(self, index: int, written: list[Any], *, before: bool) -> int:
        """The int8 tensor behind a uint8 input or in front of a uint8 output.

        The QUANTIZE between them shifts by 128, exactly, and is taken out of ``written``.
        """
        border = self.subgraph.tensors[index]
        if border.type != _Type.UINT8:
            return index
        for place, operator in enumerate(written):
            source, result = int(operator.inputs[0]), int(operator.outputs[0])
            if self.kind(operator) != _Code.QUANTIZE or index != (source if before else result):
                continue
            other = result if before else source
            held = self.subgraph.tensors[other]
            inner, outer = held.quantization, border.quantization
            if [*map(int, held.shape)] != [*map(int, border.shape)]:
                raise ExportError(f"'{_text(border.name)}' has not its int8 tensor's shape.")
            same = inner.scale[0] == outer.scale[0] and len(inner.scale) == len(outer.scale) == 1
            if not same or int(outer.zeroPoint[0]) != int(inner.zeroPoint[0]) + 128:
                raise ExportError(f"'{_text(border.name)}' is not its int8 tensor plus 128.")
            del written[place]
            return other
        raise ExportError(f"'{_text(border.name)}' is uint8 and no QUANTIZE makes int8 of it.")

    def kind(self, written: Any) -> int:
        """The operator's code."""
        code = self.model.operatorCodes[written.opcodeIndex]
        return int(max(code.builtinCode, code.deprecatedBuiltinCode))

    def activation(self, index: int, *, minimum: int | None = None) -> Tensor:
        """A tensor that the file computes; its upper end is int8's."""
        written = self.subgraph.tensors[index]
        name = _text(written.name)
        if written.type != _Type.INT8:
            raise ExportError(f"'{name}' is neither int8 nor, at a border, uint8.")
        zero_point = int(written.quantization.zeroPoint[0])
        least = INT8_MIN if minimum is None else minimum
        exponent, lean = _step(written.quantization.scale[0], name)
        grid, shape = Grid(exponent, zero_point, least), tuple(int(s) for s in written.shape[1:])
        self.tensors[index] = Tensor(name, shape, grid, lean)
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
            raise ExportError(f"'{_text(written.name)}' has a type outside the contract.")
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
            "storage": _STORAGES.get(weights.type, "int8"),
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
        raise ExportError(f"'{tensor.name}': fused activation {fused} is not of the contract.")

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
        grid = replace(tensor.grid, minimum=minimum)
        wide = replace(tensor, name=f"{tensor.name}{WIDENED}", grid=grid, multiple=1)
        self.operators.append(Maximum(inputs=(tensor,), output=wide, bound=minimum))
        return wide

    def _operator(self, written: Any) -> Operator:
        number = self.kind(written)
        if number not in KINDS:
            name = CODE_NAMES.get(number, number)
            raise ExportError(f"{name} is no operator of the integer contract.")
        if any(int(i) < 0 for i in written.inputs):  # -1: none, to Python the last
            raise ExportError(f"{CODE_NAMES[number]} leaves an input out; the contract does not.")
        operator = _READERS[KINDS[number]](self, written, written.builtinOptions)
        if self.as_stored or not isinstance(operator, Linear):
            return operator
        return unscaled(operator)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


def _step(scale: Any, name: str) -> tuple[int, int]:
    """The exponent and the lean of an activation's scale."""
    found = read_scale(float(scale))
    if found is None:
        raise ExportError(f"'{name}' has the step {float(scale):g}, {_OFF}.")
    return found


def _exponent(scale: Any, name: str) -> int:
    """The exponent of a weight's scale, which never leans."""
    exponent, lean = _step(scale, name)
    if lean:
        raise ExportError(f"'{name}' has the step {float(scale):g}, {_OFF}.")
    return exponent


def _padding(options: Any) -> str:
    return "SAME" if options.padding == schema.Padding.SAME else "VALID"


def _sliding(options: Any) -> dict[str, Any]:
    return {
        "strides": (int(options.strideH), int(options.strideW)),
        "padding": _padding(options),
        "dilation": (int(options.dilationHFactor), int(options.dilationWFactor)),
    }


def _add(reader: Reader, written: Any, options: Any) -> Operator:
    a, b = (reader.tensors[int(i)] for i in written.inputs)
    output = reader.output(written, options)
    # Integers of a tensor that was read lie on its grid, for what wrote them clips to it.
    if a is b and spreads(a.grid, output.grid):
        output = replace(output, multiple=SPREAD)
        reader.tensors[int(written.outputs[0])] = output
    return Add(inputs=(a, b), output=output)


def _max_pool(reader: Reader, written: Any, options: Any) -> Operator:
    return MaxPool2D(
        **reader.moved(written),
        pool=(int(options.filterHeight), int(options.filterWidth)),
        strides=(int(options.strideH), int(options.strideW)),
        padding=_padding(options),
    )


def _maximum(reader: Reader, written: Any, options: Any) -> Operator:
    del options  # Has none.
    bound = int(reader.data(int(written.inputs[1])).reshape(-1)[0])
    source = reader.tensors[int(written.inputs[0])]
    output = reader.activation(int(written.outputs[0]), minimum=bound)
    return Maximum(inputs=(source,), output=output, bound=bound)


def _pairs(array: IntArray) -> tuple[tuple[int, int], ...]:
    return tuple((int(before), int(after)) for before, after in array[1:])


def _crop(reader: Reader, written: Any, options: Any) -> Operator:
    del options  # The masks open the batch only.
    moved = reader.moved(written)
    begin, end = (reader.data(int(i)) for i in written.inputs[1:3])
    shape = (0, *moved["inputs"][0].shape)
    crops = np.stack([begin, np.array(shape) - end], axis=1)
    return Crop(**moved, crops=_pairs(crops))


def _transpose(reader: Reader, written: Any, options: Any) -> Operator:
    del options  # Has none.
    axes = reader.data(int(written.inputs[1]))
    return Transpose(**reader.moved(written), axes=tuple(int(axis) - 1 for axis in axes[1:]))


def _resize(reader: Reader, written: Any, options: Any) -> Operator:
    if options.alignCorners or options.halfPixelCenters:
        raise ExportError("RESIZE_NEAREST_NEIGHBOR with aligned corners is not of the contract.")
    moved = reader.moved(written)
    (height, width, _), (rows, columns, _) = moved["inputs"][0].shape, moved["output"].shape
    if rows % height or columns % width:
        raise ExportError("RESIZE_NEAREST_NEIGHBOR by a fraction is not of the contract.")
    return ResizeNearest(**moved, factors=(rows // height, columns // width))


_READERS: dict[type[Operator], Callable[[Reader, Any, Any], Operator]] = {
    Add: _add,
    Concatenate: lambda r, w, o: Concatenate(**r.moved(w), axis=int(o.axis) - 1),
    Conv2D: lambda r, w, o: Conv2D(**r.linear(w, o), **_sliding(o)),
    Crop: _crop,
    DepthwiseConv2D: lambda r, w, o: DepthwiseConv2D(**r.linear(w, o), **_sliding(o)),
    FullyConnected: lambda r, w, o: FullyConnected(**r.linear(w, o)),
    MaxPool2D: _max_pool,
    Maximum: _maximum,
    Pad: lambda r, w, o: Pad(**r.moved(w), paddings=_pairs(r.data(int(w.inputs[1])))),
    Reshape: lambda r, w, o: Reshape(**r.moved(w)),
    ResizeNearest: _resize,
    Table: read_table,
    Transpose: _transpose,
}
