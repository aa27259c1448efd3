"""The state of one lowering: operators so far, names taken, what was not exact."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from tflite_export.errors import ExportError
from tflite_export.graph import Operator, Shape, Tensor
from tflite_export.grid import FloatArray, Grid, covering_grid
from tflite_export.lower.values import OnGrid, Pending, PendingLinear, Value


@dataclass
class Builder:
    """Collects operators; says no, in words, to what would not be exact.

    Attributes:
        exact: refuse whatever could differ from Keras by one integer; otherwise note it.
        ranges: values seen of layers' outputs, by layer name; used where nothing rounds one.
        operators: in the order in which they run.
        notes: what is not exact, in words.
    """

    exact: bool = True
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def tensor(self, name: str, shape: Shape, grid: Grid) -> Tensor:
        """A new tensor with a free name."""
        free, count = name, 1
        while free in self._names:
            count += 1
            free = f"{name}_{count}"
        self._names.add(free)
        return Tensor(free, shape, grid)

    def emit(self, operator: Operator) -> OnGrid:
        """Append an operator."""
        self.operators.append(operator)
        return OnGrid(operator.output)

    def inexact(self, problem: str) -> None:
        """Refuse a problem, or note it when exactness was not asked for."""
        if self.exact:
            raise ExportError(f"{problem}. Or export it with exact=False, which reports it.")
        if problem not in self.notes:
            self.notes.append(problem)

    def on_grid(self, value: Value, *, reader: str) -> OnGrid:
        """A value as a tensor; one that still waits for its quantizer must be lossless."""
        if isinstance(value, OnGrid):
            return value
        if value.lossless is not None:
            return value.on(value.lossless)
        self.inexact(
            f"{reader}: reads '{value.name}', whose output no quantizer rounds. Put a quantized "
            f"activation after '{value.name}', for instance "
            f"qrobust.quantizers.QuantizedBits(8, 2); in a float network qrobust.quantize(model) "
            f"puts them everywhere"
        )
        low, high = value.bounds
        return value.on(covering_grid(0.0 if value.relu else low, high))

    def move(
        self,
        value: Value,
        *,
        name: str,
        shape: Shape,
        operator: Callable[[Tensor, Tensor], Operator],
        keeps_channels: bool = False,
    ) -> Value:
        """Apply an operator that only moves integers, now or once the value has its grid.

        Args:
            value: what to move.
            name: the layer's.
            shape: after the move.
            operator: ``(source, output) -> operator``.
            keeps_channels: whether the move commutes with any scaling of channels, so that a batch
                norm can still be folded into a sum that waits.
        """

        def apply(source: OnGrid) -> OnGrid:
            output = self.tensor(name, shape, source.tensor.grid)
            return OnGrid(self.emit(operator(source.tensor, output)).tensor, source.exponent)

        if isinstance(value, OnGrid):
            return apply(value)
        settle = once(lambda grid: apply(value.settle(grid)))
        if isinstance(value, PendingLinear) and keeps_channels:

            def rebuild(kernel: FloatArray, bias: FloatArray) -> PendingLinear:
                moved = self.move(
                    value.rebuild(kernel, bias),
                    name=name,
                    shape=shape,
                    operator=operator,
                    keeps_channels=True,
                )
                return cast(PendingLinear, moved)

            return replace(value, shape=shape, settle=settle, rebuild=rebuild)
        return Pending(
            value.name,
            shape,
            settle,
            lossless=value.lossless,
            bounds=value.bounds,
            relu=value.relu,
            upper=value.upper,
        )


def once(settle: Callable[[Grid], OnGrid]) -> Callable[[Grid], OnGrid]:
    """Settle each grid at most once: two readers of one grid share the tensor."""
    settled: dict[Grid, OnGrid] = {}

    def remember(grid: Grid) -> OnGrid:
        if grid not in settled:
            settled[grid] = settle(grid)
        return settled[grid]

    return remember
