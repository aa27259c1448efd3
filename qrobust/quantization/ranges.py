"""Integer bits of activations: from data, or from what batch norm makes likely."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tflite_export.grid import Grid
from tflite_export.predict import outputs_of

_VALUES = 200_000
# Ranges tried below the one that covers the largest value: clipping further never pays.
_NARROWER = 4


def observe(model: Any, tensors: Sequence[Any], data: Any) -> dict[int, npt.NDArray[np.float32]]:
    """Values that intermediate tensors of a float model take on data, by ``id`` of the tensor.

    Args:
        model: a Functional graph.
        tensors: Keras tensors of that graph.
        data: one array per input.
    """
    if not tensors:
        return {}
    return {
        id(tensor): _thinned(values.ravel())
        for tensor, values in zip(tensors, predict(model, tensors, data), strict=True)
    }


def predict(model: Any, tensors: Sequence[Any], data: Any) -> list[npt.NDArray[np.float32]]:
    """What intermediate tensors of a float model are for some data, one array per input."""
    return outputs_of(keras.Model(model.inputs, list(tensors)), data)


def integer_bits(
    values: npt.NDArray[Any], bits: int, *, signed: bool, upper: float | None = None
) -> int:
    """The integer bits with the least squared rounding and clipping error on given values.

    Args:
        values: float, any shape.
        bits: of the grid.
        signed: ``QuantizedBits`` rather than ``QuantizedRelu``.
        upper: of a ReLU that is bounded: no range needs to reach further.
    """
    if upper is not None:
        values = np.minimum(values, upper)
    values = values if signed else np.maximum(values, 0)
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0:
        return 0
    covering = int(np.ceil(np.log2(largest)))
    candidates = range(covering - _NARROWER, covering + 2)
    return min(candidates, key=lambda integer: _error(values, bits, integer, signed))


def logits_bits(logits: npt.NDArray[Any], bits: int) -> int:
    """The integer bits of signed logits whose rounding moves the softmax least.

    The mean Kullback-Leibler divergence of the probabilities after rounding from those before:
    rounding costs most between the largest logits, clipping far below them nothing.

    Args:
        logits: float, shape (examples, classes).
        bits: of the grid.
    """
    largest = float(np.abs(logits).max(initial=0.0))
    if largest == 0.0:
        return 0
    covering = int(np.ceil(np.log2(largest)))
    candidates = range(covering - _NARROWER, covering + 2)
    return min(candidates, key=lambda integer: _divergence(logits, bits, integer))


def _divergence(logits: npt.NDArray[Any], bits: int, integer: int) -> float:
    grid = Grid.signed(bits, integer - bits + 1)
    before, after = (
        _log_softmax(v) for v in (logits.astype(np.float64), grid.dequantize(grid.quantize(logits)))
    )
    return float(np.mean(np.sum(np.exp(before) * (before - after), axis=-1)))


def _log_softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    moved = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(moved - np.log(np.sum(np.exp(moved), axis=-1, keepdims=True)), np.float64)


def _error(values: npt.NDArray[Any], bits: int, integer: int, signed: bool) -> float:
    if signed:
        grid = Grid.signed(bits, integer - bits + 1)
    else:
        grid = Grid.unsigned(bits, integer - bits)
    return float(np.square(grid.dequantize(grid.quantize(values)) - values).sum())


def _thinned(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Some of the values, drawn: a stride would skip channels, whose number it may share."""
    if len(values) <= _VALUES:
        return values
    return values[np.random.default_rng(0).integers(0, len(values), _VALUES)]
