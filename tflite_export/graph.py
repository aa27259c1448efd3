"""The integer graph: tensors and operators that say what every device must compute.

It knows nothing of Keras, of files or of how one kernel or another rounds: those live in ``lower``,
``flatbuffer`` and ``passes``.
"""

from dataclasses import dataclass, replace

import numpy as np

from tflite_export.errors import ExportError
from tflite_export.leaning import may_lean
from tflite_export.operators import (
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
    Pair,
    Reshape,
    ResizeNearest,
    Shape,
    Table,
    Tensor,
    Transpose,
    pair,
)
from tflite_export.spreading import SPREAD, spreads

__all__ = [
    "IntegerGraph",
    "Add",
    "Concatenate",
    "Conv2D",
    "Crop",
    "DepthwiseConv2D",
    "FullyConnected",
    "Linear",
    "Maximum",
    "MaxPool2D",
    "Operator",
    "Pad",
    "Pair",
    "Reshape",
    "ResizeNearest",
    "Shape",
    "Table",
    "Tensor",
    "Transpose",
    "pair",
]

#: Entries of a table: one for every int8.
TABLE_SIZE = 256


@dataclass(frozen=True)
class IntegerGraph:
    """Operators in an order in which they can run; checked when built.

    Raises:
        ExportError: an operator reads what nothing has written yet, or breaks its own contract.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]

    def __post_init__(self) -> None:
        """Check every operator against its tensors."""
        known = set(self.inputs)
        for operator in self.operators:
            for tensor in operator.inputs:
                if tensor not in known:
                    raise ExportError(
                        f"{operator.output.name}: reads '{tensor.name}' before it is written."
                    )
            _check(operator)
            known.add(operator.output)
        for tensor in self.outputs:
            if tensor not in known:
                raise ExportError(f"Output '{tensor.name}' is never written.")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Inputs first, then every operator's output."""
        return self.inputs + tuple(operator.output for operator in self.operators)

    def with_operators(self, operators: tuple[Operator, ...]) -> "IntegerGraph":
        """The same inputs and outputs over other operators."""
        return replace(self, operators=operators)


_INT32_MAX = 2**31 - 1


def _check(operator: Operator) -> None:
    where = operator.output.name
    leans = {tensor.lean for tensor in operator.inputs}
    if leans != {operator.output.lean} and not _leans_more(operator):
        raise ExportError(
            f"{where}: its scale leans by {operator.output.lean}, those it is computed from by "
            f"{', '.join(map(str, sorted(leans)))}; only a sum that rounds leans by one more."
        )
    if operator.output.multiple != 1 and not _spreads(operator):
        raise ExportError(
            f"{where}: multiples of {operator.output.multiple} come from a sum of a tensor with "
            f"itself on half of its step, and this is none."
        )
    if isinstance(operator, Linear):
        channels = operator.weights.shape[operator.channel_axis]
        if not operator.bias.shape == operator.weight_exponents.shape == (channels,):
            raise ExportError(
                f"{where}: {channels} channels need as many biases and exponents, not "
                f"{operator.bias.shape} and {operator.weight_exponents.shape}."
            )
        if np.abs(operator.weights).max(initial=0) > 127:
            raise ExportError(f"{where}: weights outside [-127, 127].")
        if operator.accumulator_bound.max(initial=0) > _INT32_MAX:
            raise ExportError(
                f"{where}: an accumulator could leave int32. Use fewer inputs or fewer bits."
            )
        return
    if isinstance(operator, Add):
        a, b = operator.inputs
        if not a.shape == b.shape == operator.output.shape:
            raise ExportError(
                f"{where}: Add takes two tensors of one shape, not {a.shape} and {b.shape}."
            )
        return
    if isinstance(operator, Table):
        _check_table(operator)
        return
    if isinstance(operator, Maximum):
        if operator.bound != operator.output.grid.minimum:
            raise ExportError(f"{where}: a lower clip at {operator.bound} is not its grid's.")
        return
    for tensor in operator.inputs:
        if tensor.grid != operator.output.grid:
            raise ExportError(
                f"{where}: moves integers and so cannot change their grid from ({tensor.grid}) "
                f"to ({operator.output.grid})."
            )
    if isinstance(operator, Reshape) and operator.inputs[0].size != operator.output.size:
        raise ExportError(
            f"{where}: cannot reshape {operator.inputs[0].shape} to {operator.output.shape}."
        )


def _leans_more(operator: Operator) -> bool:
    if not isinstance(operator, Add):
        return False
    a, b = operator.inputs
    more = a.lean == b.lean == operator.output.lean - 1
    return more and may_lean(a.grid, b.grid, operator.output.grid)


def _spreads(operator: Operator) -> bool:
    if not isinstance(operator, Add) or operator.output.multiple != SPREAD:
        return False
    a, b = operator.inputs
    return a is b and spreads(a.grid, operator.output.grid)


def _check_table(operator: Table) -> None:
    where, grid, entries = operator.output.name, operator.output.grid, operator.entries
    (source,) = operator.inputs
    if source.shape != operator.output.shape:
        raise ExportError(
            f"{where}: a table keeps the shape {source.shape}, it cannot give "
            f"{operator.output.shape}."
        )
    if entries.shape not in ((1, TABLE_SIZE), (source.shape[-1], TABLE_SIZE)):
        raise ExportError(
            f"{where}: a table of shape {entries.shape} has no entry for every int8 of every "
            f"channel."
        )
    if entries.min() < grid.minimum or entries.max() > grid.maximum:
        raise ExportError(f"{where}: entries off the grid ({grid}).")
