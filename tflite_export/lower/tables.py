"""Activations that look values up: a table between two grids."""

from typing import Any

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.graph import TABLE_SIZE, Table
from tflite_export.grid import INT8_MIN, Grid, IntArray
from tflite_export.lower.builder import Builder
from tflite_export.lower.functions import shown
from tflite_export.lower.requantize import requantize
from tflite_export.lower.values import OnGrid, Pending, Value

# Halves between the steps, and a few beyond both ends.
_BEYOND = 6


def is_tabulated(activation: Any) -> bool:
    """Whether an activation says what grid it reads, and so is a table."""
    return callable(getattr(activation, "source_grid", None))


def look_up(value: Value, quantizer: Any, *, name: str, builder: Builder) -> OnGrid:
    """Round a value onto the quantizer's source grid and look it up.

    The entries are what the quantizer itself gives for each step, so nothing is taken on trust.

    Raises:
        ExportError: a quantizer that is no table of its source's steps.
    """
    source, target = quantizer.source_grid(), quantizer.grid()
    entries = _entries(quantizer, source, target, int(value.shape[-1]), name)
    read = (
        value.on(source)
        if isinstance(value, Pending)
        else requantize(value, source, name=f"{name}_source", builder=builder)
    )
    output = builder.tensor(name, read.shape, target)
    return builder.emit(Table(inputs=(read.tensor,), output=output, entries=entries))


def _entries(quantizer: Any, source: Grid, target: Grid, channels: int, name: str) -> IntArray:
    numbers = source.clamp(np.arange(TABLE_SIZE) + INT8_MIN)
    steps = source.dequantize(numbers).astype(np.float32)
    values = np.asarray(quantizer(np.repeat(steps[:, None], channels, axis=1)), np.float64)
    entries = target.quantize(values)
    low, high = source.minimum - source.zero_point, source.maximum - source.zero_point
    halves = np.arange(2 * low - _BEYOND, 2 * high + _BEYOND + 1) * (source.step / 2)
    x = np.repeat(halves.astype(np.float32)[:, None], channels, axis=1)
    looked_up = np.take_along_axis(entries, source.quantize(x) - INT8_MIN, axis=0)
    wrong = np.asarray(quantizer(x), np.float64) != target.dequantize(looked_up)
    if wrong.any():
        at = x.ravel()[int(wrong.argmax())]
        raise ExportError(
            f"Layer '{name}': {shown(quantizer)} is no table of its source's steps: {at:g} gives "
            f"another value than the step it rounds to, or one off its grid. Use "
            f"qrobust.quantizers.Tabulated."
        )
    rows: IntArray = entries.T
    return rows[:1] if np.all(rows == rows[0]) else np.ascontiguousarray(rows)
