"""Tie-free scaling: the weights and biases for which every kernel rounds alike.

Kernels disagree only where an accumulator lies halfway between two outputs (XNNPACK rounds half to
even, TFLM rounds twice, ...). Writing ``4 W`` with a quarter of the step and ``4 b + 1`` keeps
``floor(acc * 2**-shift + 1/2)`` and moves every accumulator off the halfway points, far enough
that the first of two roundings cannot bring it back. A factor of two would not be enough.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tflite_export.errors import ExportError
from tflite_export.graph import FullyConnected, IntegerGraph, Linear, Operator
from tflite_export.grid import IntArray

LARGEST_WEIGHT = 127 // 4


def tie_free(graph: IntegerGraph) -> IntegerGraph:
    """Scale every channel that rounds and whose weights have room (up to 6 bits)."""
    return graph.with_operators(tuple(_scale(operator) for operator in graph.operators))


def can_be_tie_free(operator: Linear) -> bool:
    """Whether every channel that rounds has weights of at most 31."""
    return bool(np.all(_largest_per_channel(operator)[operator.shift >= 1] <= LARGEST_WEIGHT))


def possible_ties(graph: IntegerGraph, *, exact: bool) -> tuple[str, ...]:
    """The operators whose weights leave no room for the scaling, in words.

    Raises:
        ExportError: there is one, with ``exact``.
    """
    notes = []
    for operator in graph.operators:
        if isinstance(operator, Linear) and not can_be_tie_free(operator):
            problem = (
                f"Layer '{operator.output.name}': {operator.weight_bits}-bit weights leave no room "
                f"for tie-free rounding (up to 6 bits do), so kernels differ by 1 on ties"
            )
            if exact:
                raise ExportError(f"{problem}. Use 6 bits, or export with exact=False.")
            notes.append(problem)
    return tuple(notes)


def is_tie_free(operator: Linear) -> bool:
    """Whether no accumulator of the operator, as it stands, can be a tie.

    Weights times inputs that are all multiples of four and a bias of 1 modulo 4 keep every
    accumulator at 1 modulo 4; a channel with ``shift <= 0`` rounds nothing, and neither does one
    whose inputs and bias are multiples of ``2**shift``.
    """
    shift, multiple = operator.shift, operator.source.multiple
    unit = 1 << np.maximum(shift, 0)
    whole = (multiple % unit == 0) & (operator.bias % unit == 0)
    return bool(np.all(whole | _at_one(operator, multiple)))


def unscaled(operator: Linear) -> Linear:
    """The operator as it was before the pass; its own weights are scaled, or it has none."""
    factor = np.where(_quadrupled(operator), 4, 1)
    return replace(
        operator,
        weights=operator.weights // factor.reshape(_along_channels(operator)),
        weight_exponents=operator.weight_exponents + np.where(factor == 4, 2, 0),
        bias=operator.bias // factor,
    )


def unscaled_weight_bits(operator: Linear) -> int:
    """Bits of the largest weight, sign included, before the pass and before rows were shifted."""
    largest = _largest_per_channel(operator) // np.where(_quadrupled(operator), 4, 1)
    if isinstance(operator, FullyConnected) and operator.row_shifts is not None:
        largest = largest >> operator.row_shifts
    return int(largest.max(initial=0)).bit_length() + 1


def _scale(operator: Operator) -> Operator:
    if not isinstance(operator, Linear):
        return operator
    scaled = (operator.shift >= 1) & (_largest_per_channel(operator) <= LARGEST_WEIGHT)
    factor = np.where(scaled, 4, 1)
    return replace(
        operator,
        weights=operator.weights * factor.reshape(_along_channels(operator)),
        weight_exponents=operator.weight_exponents - np.where(scaled, 2, 0),
        # Where nothing is rounded the + 1 would be a wrong integer, not a broken tie.
        bias=operator.bias * factor + scaled,
    )


def _quadrupled(operator: Linear) -> npt.NDArray[np.bool_]:
    """Per channel, whether the pass has scaled its weights."""
    if operator.source.multiple != 1 and operator.storage != "int8":  # its inputs are instead
        return np.zeros(operator.bias.shape, np.bool_)
    return _at_one(operator, 1)


def _at_one(operator: Linear, multiple: int) -> npt.NDArray[np.bool_]:
    """Per channel, whether every accumulator is 1 modulo 4 and rounds far enough."""
    terms = operator.weights * multiple % 4 == 0
    multiples = np.all(terms, axis=_all_but_channels(operator))
    # The pass leaves a shift of 3 at least; with less, such numbers are there by chance.
    return np.asarray(multiples & (operator.bias % 4 == 1) & (operator.shift >= 3))


def _largest_per_channel(operator: Linear) -> IntArray:
    return np.asarray(np.abs(operator.weights).max(axis=_all_but_channels(operator), initial=0))


def _along_channels(operator: Linear) -> tuple[int, ...]:
    return tuple(-1 if a == operator.channel_axis else 1 for a in range(operator.weights.ndim))


def _all_but_channels(operator: Linear) -> tuple[int, ...]:
    return tuple(a for a in range(operator.weights.ndim) if a != operator.channel_axis)
