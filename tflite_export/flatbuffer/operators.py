"""How each operator is written: its code, version, options and constants.

Limits that some kernel family has are refused here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tflite_export.errors import ExportError
from tflite_export.flatbuffer.limits import accumulators_fit_float32
from tflite_export.flatbuffer.writer import Writer, quantization
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
from tflite_export.grid import INT8_MIN, Grid

# XNNPACK rejects the whole file when a layer multiplies its accumulator by 2**8 or more.
_SMALLEST_SHIFT = -7
# The optimized ADD kernel overflows above (measured at 2**7).
_LARGEST_ADD_RATIO = 6
_SMALLEST_ADD_RATIO = -10

_Code = schema.BuiltinOperator
_Fused = schema.ActivationFunctionType


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


def _linear_constants(writer: Writer, operator: Linear) -> tuple[int, int]:
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
    if isinstance(operator, FullyConnected) and np.all(exponents == exponents[0]):
        exponents = exponents[:1]  # TFLM's int4 kernel and older NPU compilers take no more
    weights = writer.packed(
        f"{name}/weights",
        operator.weights,
        operator.storage,
        quantization(list(2.0**exponents), axis=axis),
    )
    bias = writer.constant(
        f"{name}/bias",
        operator.bias.astype(np.int32),
        quantization(list(2.0**exponents * operator.source.scale)),
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


def _conv(writer: Writer, operator: Conv2D) -> None:
    options = schema.Conv2DOptionsT()
    options.padding = _padding(operator.padding)
    options.strideH, options.strideW = operator.strides
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    options.fusedActivationFunction = _fused(operator)
    constants = _linear_constants(writer, operator)
    writer.emit(operator, _version(operator), options, constants)


def _depthwise(writer: Writer, operator: DepthwiseConv2D) -> None:
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = _padding(operator.padding)
    options.strideH, options.strideW = operator.strides
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    options.depthMultiplier = operator.multiplier
    options.fusedActivationFunction = _fused(operator)
    constants = _linear_constants(writer, operator)
    writer.emit(operator, _version(operator), options, constants)


def _fully_connected(writer: Writer, operator: FullyConnected) -> None:
    options = schema.FullyConnectedOptionsT()
    options.keepNumDims = len(operator.output.shape) > 1
    options.fusedActivationFunction = _fused(operator)
    version = 4 if operator.storage == "int8" else 10
    constants = _linear_constants(writer, operator)
    writer.emit(operator, version, options, constants)


def _add(writer: Writer, operator: Add) -> None:
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
    writer.emit(operator, 2, options)


def _max_pool(writer: Writer, operator: MaxPool2D) -> None:
    options = schema.Pool2DOptionsT()
    options.padding = _padding(operator.padding)
    options.strideH, options.strideW = operator.strides
    options.filterHeight, options.filterWidth = operator.pool
    writer.emit(operator, 2, options)


def _maximum(writer: Writer, operator: Maximum) -> None:
    grid = operator.output.grid
    bound = writer.constant(
        f"{operator.output.name}/bound",
        np.array([operator.bound], np.int8),
        quantization([operator.output.scale], grid.zero_point),
    )
    writer.emit(operator, 2, schema.MaximumMinimumOptionsT(), (bound,))


def _pad(writer: Writer, operator: Pad) -> None:
    paddings = np.array([(0, 0), *operator.paddings], np.int32)
    constant = writer.constant(f"{operator.output.name}/paddings", paddings)
    writer.emit(operator, 2, schema.PadOptionsT(), (constant,))


def _reshape(writer: Writer, operator: Reshape) -> None:
    # A batch of -1, in the tensor and in the options, keeps resize_tensor_input working.
    shape = np.array([-1, *operator.output.shape], np.int32)
    options = schema.ReshapeOptionsT()
    options.newShape = shape.tolist()
    constant = writer.constant(f"{operator.output.name}/shape", shape)
    writer.emit(operator, 1, options, (constant,))


def _crop(writer: Writer, operator: Crop) -> None:
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
    writer.emit(operator, 2, options, constants)


def _transpose(writer: Writer, operator: Transpose) -> None:
    axes = np.array([0, *(axis + 1 for axis in operator.axes)], np.int32)
    constant = writer.constant(f"{operator.output.name}/axes", axes)
    writer.emit(operator, 2, schema.TransposeOptionsT(), (constant,))


def _resize_nearest(writer: Writer, operator: ResizeNearest) -> None:
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
    writer.emit(operator, 2, options, (constant,))


def _concatenate(writer: Writer, operator: Concatenate) -> None:
    options = schema.ConcatenationOptionsT()
    options.axis = operator.axis + 1
    writer.emit(operator, 2, options)


def _table(writer: Writer, operator: Table) -> None:
    """GATHER moves int8 entries and is exact everywhere; CAST and ADD make its indices."""
    name, shape, grid = operator.output.name, operator.output.shape, operator.output.grid
    channels = len(operator.entries)
    offsets = np.arange(channels, dtype=np.int32) * operator.entries.shape[1] - INT8_MIN
    numbers = writer.intermediate(f"{name}/integers", shape)
    places = writer.intermediate(f"{name}/places", shape)
    cast = schema.CastOptionsT()
    cast.inDataType, cast.outDataType = schema.TensorType.INT8, schema.TensorType.INT32
    writer.append([writer.index[operator.inputs[0]]], numbers, _Code.CAST, 1, cast)
    offset = writer.constant(f"{name}/offset", offsets)
    writer.append([numbers, offset], places, _Code.ADD, 1, schema.AddOptionsT())
    entries = writer.constant(
        f"{name}/table",
        operator.entries.astype(np.int8).ravel(),
        quantization([operator.output.scale], grid.zero_point),
    )
    options = schema.GatherOptionsT()
    writer.append([entries, places], writer.index[operator.output], _Code.GATHER, 2, options)


EMITTERS: dict[type[Operator], Callable[[Writer, Any], None]] = {
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
    Table: _table,
}
