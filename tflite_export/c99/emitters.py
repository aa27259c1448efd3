"""Operators as kernel calls: what each needs of constants, buffers and kernels."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tflite_export.c99.moves import moves_of
from tflite_export.c99.pack import WORD_BITS, field_bits, pack_rows
from tflite_export.c99.windows import Window, output_lead, window_of
from tflite_export.c99.writer import Writer
from tflite_export.errors import ExportError
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
from tflite_export.grid import Grid, IntArray

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_UINT16_MAX = 2**16 - 1
_HALF_BIAS = 2**15
# A bias and a 16-bit half still fit an int32.
_FULLEST_BIAS = _INT32_MAX - 2**16
# Half of four pixels would be thrown away.
_FEWEST_PAIRED_PIXELS = 3


def _grid(grid: Grid) -> str:
    return f"{{{grid.zero_point}, {grid.minimum}, {grid.maximum}}}"


def _check_sizes(operator: Operator, sizes: dict[str, str | int]) -> dict[str, str | int]:
    for key, value in sizes.items():
        if key != "pixels" and isinstance(value, int) and not value <= _UINT16_MAX:
            raise ExportError(
                f"{operator.output.name}: {key} is {value}; the C counts to {_UINT16_MAX}."
            )
    return sizes


def _shifts(operator: Linear) -> IntArray:
    # An int32 rounds to zero at 32 and beyond; at -9 every accumulator but zero saturates.
    return np.clip(operator.shift, -9, 32)


def _linear(writer: Writer, operator: Linear) -> None:
    """Conv2D or FullyConnected: weights as rows, one of two ways to multiply."""
    window = window_of(operator)
    rows = operator.weights.reshape(len(operator.weights), -1)
    bits = field_bits(rows)
    entries = _whole_words(rows.shape[1], bits)
    paired = window.pixels >= _FEWEST_PAIRED_PIXELS and _fits_halves(writer, operator, rows)
    method = "pairs" if paired else "dot"
    if paired:
        writer.need("window", "pairs_gather", "pairs_store")
    else:
        writer.need("window", "dot_gather")
    writer.need(method, bits=bits)
    bias = _rounding_biases(operator) - _HALF_BIAS if paired else operator.bias
    fields: dict[str, str | int] = {
        "weights": writer.constant("uint32_t", "weights", pack_rows(rows, bits)),
        "bias": writer.constant("int32_t", "bias", bias),
        "shift": writer.constant("int8_t", "shift", _shifts(operator)),
        "grid": _grid(operator.output.grid),
        "in_zero": operator.source.grid.zero_point,
        **_window_fields(window),
        "out_channels": len(rows),
        "words": entries * bits // WORD_BITS,
        "pixels": window.pixels,
    }
    layer = writer.struct("linear_t", _check_sizes(operator, fields))
    # A block of pixels is read as a whole before any of its outputs is written.
    lead = output_lead(window, len(rows), block=4 if paired else 1)
    source = writer.home[operator.source]
    output = writer.new_output(operator, lead=lead)
    columns = writer.scratch("columns", entries * (8 if paired else 2))
    zeros = writer.scratch("zeros", window.in_channels)
    function = f"convolve_pairs_{bits}" if paired else f"dot_{bits}"
    writer.call(
        operator,
        f"{function}(&{layer}, {{0}}, {{1}}, {{2}}, {{3}});",
        (source, "bytes"),
        (output, "bytes"),
        (columns, "words"),
        (zeros, "bytes"),
    )


def _whole_words(entries: int, bits: int) -> int:
    """Entries of a row of weights in whole words."""
    fields = WORD_BITS // bits
    return -(-entries // fields) * fields


def _fits_halves(writer: Writer, operator: Linear, rows: IntArray) -> bool:
    """Whether every sum of products fits a signed 16-bit half, and its rounding an int32."""
    grid = operator.source.grid
    if operator.source in writer.unclipped:
        # Noise saturates at int8's ends, whatever the grid of the clean input.
        grid = Grid(grid.exponent, grid.zero_point)
    low, high = grid.minimum - grid.zero_point, grid.maximum - grid.zero_point
    positive, negative = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
    least = (positive * low + negative * high).min(initial=0)
    most = (positive * high + negative * low).max(initial=0)
    if least < -_HALF_BIAS or most >= _HALF_BIAS:
        return False
    if operator.shift.min(initial=0) < 0 or operator.shift.max(initial=0) > 31:
        return False
    biases = _rounding_biases(operator) - _HALF_BIAS
    return bool(biases.min(initial=0) >= _INT32_MIN and biases.max(initial=0) <= _FULLEST_BIAS)


def _rounding_biases(operator: Linear) -> IntArray:
    """Bias, rounding half and zero point in one: ``q_out = (acc + it) >> shift``."""
    shift = operator.shift
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return np.asarray(operator.bias + half + (operator.output.grid.zero_point << shift))


def _window_fields(window: Window) -> dict[str, str | int]:
    return {
        "in_height": window.in_height,
        "in_width": window.in_width,
        "in_channels": window.in_channels,
        "out_width": window.out_width,
        "kernel_height": window.kernel[0],
        "kernel_width": window.kernel[1],
        "stride_y": window.strides[0],
        "stride_x": window.strides[1],
        "dilation_y": window.dilation[0],
        "dilation_x": window.dilation[1],
        "pad_top": window.padding[0],
        "pad_left": window.padding[1],
    }


def _depthwise(writer: Writer, operator: DepthwiseConv2D) -> None:
    writer.need("depthwise")
    window = window_of(operator)
    channels = operator.weights.shape[3]
    fields: dict[str, str | int] = {
        "weights": writer.constant("int8_t", "weights", operator.weights),
        "bias": writer.constant("int32_t", "bias", operator.bias),
        "shift": writer.constant("int8_t", "shift", _shifts(operator)),
        "grid": _grid(operator.output.grid),
        "in_zero": operator.source.grid.zero_point,
        **_window_fields(window),
        "out_channels": channels,
        "multiplier": operator.multiplier,
        "pixels": window.pixels,
    }
    layer = writer.struct("depthwise_t", _check_sizes(operator, fields))
    source = writer.home[operator.source]
    output = writer.new_output(operator, lead=output_lead(window, channels, block=1))
    acc = writer.scratch("accumulators", 4 * channels)
    writer.call(
        operator,
        f"convolve_depthwise(&{layer}, {{0}}, {{1}}, (int32_t *){{2}});",
        (source, "bytes"),
        (output, "bytes"),
        (acc, "words"),
    )


def _add(writer: Writer, operator: Add) -> None:
    writer.need("add")
    grids = [tensor.grid for tensor in operator.inputs]
    out = operator.output.grid
    finest = min(out.exponent, *(grid.exponent for grid in grids))
    factors = [1 << (grid.exponent - finest) for grid in grids]
    shift = out.exponent - finest
    zeros = sum(grid.zero_point * factor for grid, factor in zip(grids, factors, strict=True))
    bias = (out.zero_point << shift) - zeros + (1 << shift >> 1)
    if shift > 31 or abs(bias) + 128 * sum(factors) > _INT32_MAX:
        raise ExportError(f"{operator.output.name}: the grids of this Add lie too far apart.")
    layer = writer.struct(
        "add_t",
        {
            "grid": _grid(out),
            "factor_a": factors[0],
            "factor_b": factors[1],
            "bias": bias,
            "shift": shift,
            "size": f"{operator.output.size}u",
        },
    )
    a, b = (writer.home[tensor] for tensor in operator.inputs)
    output = writer.output_in_place(operator)
    writer.call(
        operator,
        f"add(&{layer}, {{0}}, {{1}}, {{2}});",
        (a, "bytes"),
        (b, "bytes"),
        (output, "bytes"),
    )


def _max_pool(writer: Writer, operator: MaxPool2D) -> None:
    writer.need("max_pool")
    window = window_of(operator)
    fields: dict[str, str | int] = {
        "in_height": window.in_height,
        "in_width": window.in_width,
        "channels": window.in_channels,
        "out_height": window.pixels // window.out_width,
        "out_width": window.out_width,
        "pool_height": window.kernel[0],
        "pool_width": window.kernel[1],
        "stride_y": window.strides[0],
        "stride_x": window.strides[1],
        "pad_top": window.padding[0],
        "pad_left": window.padding[1],
    }
    layer = writer.struct("max_pool_t", _check_sizes(operator, fields))
    source = writer.home[operator.inputs[0]]
    # A pixel's output is written while its window is read.
    lead = output_lead(window, window.in_channels, block=1, reads_ahead=False)
    output = writer.new_output(operator, lead=lead)
    writer.call(
        operator, f"max_pool(&{layer}, {{0}}, {{1}});", (source, "bytes"), (output, "bytes")
    )


def _maximum(writer: Writer, operator: Maximum) -> None:
    writer.need("maximum")
    source = writer.home[operator.inputs[0]]
    output = writer.output_in_place(operator)
    writer.call(
        operator,
        f"maximum({{0}}, {{1}}, {operator.output.size}u, {operator.bound});",
        (source, "bytes"),
        (output, "bytes"),
    )


def _table(writer: Writer, operator: Table) -> None:
    writer.need("table")
    entries = writer.constant("int8_t", "table", operator.entries)
    source = writer.home[operator.inputs[0]]
    output = writer.output_in_place(operator)
    writer.call(
        operator,
        f"look_up({{0}}, {{1}}, {operator.output.size}u, {entries}, {len(operator.entries)}u);",
        (source, "bytes"),
        (output, "bytes"),
    )


def _move(writer: Writer, operator: Operator) -> None:
    writer.need("move")
    output = writer.new_output(operator)
    if isinstance(operator, Pad):
        zero = operator.output.grid.zero_point
        text = f"(void)memset({{0}}, {zero}, {operator.output.size}u);"
        writer.call(operator, text, (output, "bytes"))
    for index, move in enumerate(moves_of(operator)):
        layer = writer.struct(
            "move_t",
            {
                "in_start": move.in_start,
                "out_start": move.out_start,
                "extent": _braced(axis.extent for axis in move.axes),
                "in_step": _braced(axis.in_step for axis in move.axes),
                "out_step": _braced(axis.out_step for axis in move.axes),
            },
            suffix=f"_{index}",
        )
        writer.call(
            operator,
            f"move_integers(&{layer}, {{0}}, {{1}});",
            (writer.home[operator.inputs[index]], "bytes"),
            (output, "bytes"),
        )


def _braced(values: Iterable[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _reshape(writer: Writer, operator: Reshape) -> None:
    writer.share(operator, writer.home[operator.inputs[0]])


#: What the C knows; a new operator needs an entry here.
EMITTERS: dict[type[Operator], Callable[[Writer, Any], None]] = {
    Add: _add,
    Concatenate: _move,
    Conv2D: _linear,
    Crop: _move,
    DepthwiseConv2D: _depthwise,
    FullyConnected: _linear,
    Maximum: _maximum,
    MaxPool2D: _max_pool,
    Pad: _move,
    Reshape: _reshape,
    ResizeNearest: _move,
    Table: _table,
    Transpose: _move,
}
