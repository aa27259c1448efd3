r"""Linear bounds, backwards (CROWN, DeepPoly), sound for the integer function.

A lower bound of ``sum(A q) + C`` over a box is pushed from the last tensor to the input: each
operator's output is replaced by a line below or above it, as the sign of its coefficient asks.
Unlike intervals, the result remembers what numbers have in common.

Coefficients are float64 and rounded outwards, in one place. Everything computed here is a sum of
at most n products; float64, in any order and with or without fused operations, is then wrong by
at most ``gamma = n 2**-53 / (1 - n 2**-53)`` of the sum of the absolute products (Higham,
Accuracy and Stability of Numerical Algorithms, section 3.1). Those absolute sums are added up in
``mass``; ``2 gamma mass``, with a generous n, is taken off the bound at the end. Integer targets
are then rounded up to a whole number. A test compares with exact fractions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.adjoints import linear_adjoint, sources
from qrobust.verify.intervals import RULES as INTERVAL_RULES
from qrobust.verify.intervals import Interval, accumulator_interval, check_rules
from qrobust.verify.staircase import Lines, Staircase, lines
from qrobust.verify.table_lines import table_lines
from tflite_export.graph import (
    Add,
    IntegerGraph,
    Linear,
    Maximum,
    MaxPool2D,
    Operator,
    Table,
    Tensor,
)
from tflite_export.grid import FloatArray, IntArray

#: Rows that go backwards at a time.
_ROWS = 256


class LinearBounds:
    """Linear bounds of a batch of boxes.

    Args:
        graph: with one input.
        box: of the input, stored integers.
        refine: layers of at most this many numbers get linear bounds of their own accumulators
            before they are relaxed; others keep interval bounds.

    Attributes:
        intervals: of every tensor; at least as tight as interval propagation.

    Raises:
        CertifyError: an operator without bounds, by name.
    """

    def __init__(self, graph: IntegerGraph, box: Interval, *, refine: int = 0) -> None:
        check_rules(graph)
        self.graph = graph
        self.boxes = len(box.low)
        (source,) = graph.inputs
        self.intervals: dict[Tensor, Interval] = {source: box}
        self._lines: dict[Operator, tuple[Lines, Lines]] = {}
        self._gamma = _gamma(graph)
        for operator in graph.operators:
            self._forward(operator, refine)

    def _forward(self, operator: Operator, refine: int) -> None:
        inputs = tuple(self.intervals[tensor] for tensor in operator.inputs)
        if isinstance(operator, Table):
            self._lines[operator] = table_lines(operator, inputs[0])
        if not isinstance(operator, Linear | Add | Maximum):
            self.intervals[operator.output] = INTERVAL_RULES[type(operator)](operator, inputs)
            return
        acc = _before_rounding(operator, inputs)
        deep = operator.inputs[0] is not self.graph.inputs[0]
        steps = staircase(operator)
        if isinstance(operator, Linear) and deep and operator.output.size <= refine:
            # What rounds to one integer all over every box is known already.
            open_ = (steps.at(acc.low) != steps.at(acc.high)).any(axis=0)
            acc = self._refined(operator, acc, np.flatnonzero(open_))
        zero = operator.output.grid.zero_point
        self.intervals[operator.output] = Interval(
            steps.at(acc.low) + zero, steps.at(acc.high) + zero
        )
        self._lines[operator] = self._relaxed(steps, acc)

    def _relaxed(self, steps: Staircase, acc: Interval) -> tuple[Lines, Lines]:
        """Lines below and above an operator's rounding."""
        return lines(steps, acc)

    def _refined(self, operator: Linear, acc: Interval, units: IntArray) -> Interval:
        size, shape = operator.output.size, operator.output.shape
        low, high = (ends.reshape(self.boxes, size).copy() for ends in (acc.low, acc.high))
        bias = np.broadcast_to(operator.bias, shape).reshape(size)
        step = max(1, _ROWS // self.boxes)
        for start in range(0, len(units), step):
            part = units[start : start + step]
            one_each = np.zeros((len(part), size))
            one_each[np.arange(len(part)), part] = 1
            rows = np.broadcast_to(
                linear_adjoint(operator, one_each.reshape(-1, *shape))[None],
                (self.boxes, len(part), *operator.source.shape),
            )
            constant = np.broadcast_to(bias[part], (self.boxes, len(part)))
            low[:, part] = np.maximum(low[:, part], self.lower(operator.source, rows, constant))
            least = self.lower(operator.source, -rows, -constant)
            high[:, part] = np.minimum(high[:, part], -least)
        ends = (array.reshape(self.boxes, *shape) for array in (low, high))
        return Interval(*ends)

    def lower(self, tensor: Tensor, rows: FloatArray, constant: Any) -> IntArray:
        """Return lower bounds of ``sum(rows * (q - zero_point)) + constant`` over every box.

        Args:
            tensor: whose integers q are.
            rows: float64[boxes, k, *shape], whole numbers.
            constant: whole numbers, [boxes, k].

        Returns:
            int64[boxes, k]: the bound, rounded up, for the target is whole.
        """
        bound = self.real_lower(tensor, rows, constant)
        return np.ceil(np.clip(bound, -(2.0**62), 2.0**62)).astype(np.int64)

    def real_lower(self, tensor: Tensor, rows: FloatArray, constant: Any) -> FloatArray:
        """Like `lower`, without rounding up, for targets that are not whole."""
        coefficients, low, mass = self.to_input(tensor, rows, constant)
        (source,) = self.graph.inputs
        box, zero = self.intervals[source], source.grid.zero_point
        ends = np.where(coefficients > 0, (box.low - zero)[:, None], (box.high - zero)[:, None])
        products = (coefficients * ends).reshape(*coefficients.shape[:2], -1)
        mass = mass + np.abs(products).sum(axis=-1)
        return np.asarray(products.sum(axis=-1) + low - 2 * self._gamma * mass)

    def to_input(
        self, tensor: Tensor, rows: FloatArray, constant: Any
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Push rows back to the input.

        Returns:
            Coefficients float64[boxes, k, *input shape], constants and mass float64[boxes, k].
        """
        live: dict[Tensor, FloatArray] = {tensor: np.asarray(rows, np.float64)}
        low = np.asarray(constant, np.float64) + np.zeros(rows.shape[:2])
        mass = np.abs(low)
        for operator in reversed(self.graph.operators):
            rows_out = live.pop(operator.output, None)
            if rows_out is None:
                continue
            flat = rows_out.reshape(*rows_out.shape[:2], -1)
            mass = mass + np.abs(flat).sum(axis=-1) * operator.output.grid.reach
            if operator in self._lines:
                parts, term, weight = self._through_rounding(operator, rows_out)
                low, mass = low + term, mass + weight
            elif isinstance(operator, MaxPool2D):
                parts, term = self._through_pool(operator, flat)
                low, mass = low + term, mass + np.abs(term)
            else:
                parts = _through_move(operator, flat)
            for source, part in zip(operator.inputs, parts, strict=True):
                live[source] = live[source] + part if source in live else part
        (source,) = self.graph.inputs
        given = live.get(source)
        if given is None:
            given = np.zeros((*rows.shape[:2], *source.shape))
        return given, low, mass

    def _through_rounding(
        self, operator: Operator, rows: FloatArray
    ) -> tuple[list[FloatArray], FloatArray, FloatArray]:
        below, above = self._lines[operator]
        positive, negative = np.maximum(rows, 0), np.minimum(rows, 0)
        inner = positive * below.slope[:, None] + negative * above.slope[:, None]
        terms = positive * below.intercept[:, None] + negative * above.intercept[:, None]
        axes = tuple(range(2, rows.ndim))
        constant, weight = terms.sum(axis=axes), np.abs(terms).sum(axis=axes)
        if not isinstance(operator, Linear):
            factors = _factors(operator)
            reach = sum(f * t.grid.reach for f, t in zip(factors, operator.inputs, strict=True))
            weight = weight + np.abs(inner).sum(axis=axes) * reach
            return [inner * factor for factor in factors], constant, weight
        biases = inner * operator.bias
        constant = constant + biases.sum(axis=axes)
        # Bounds both the bias terms and what the adjoint's sums can be wrong by.
        weight = weight + 2 * (np.abs(inner) * operator.accumulator_bound).sum(axis=axes)
        joined = inner.reshape(-1, *operator.output.shape)
        back = linear_adjoint(operator, joined)
        return [back.reshape(*rows.shape[:2], *operator.source.shape)], constant, weight

    def _through_pool(
        self, operator: MaxPool2D, flat: FloatArray
    ) -> tuple[list[FloatArray], FloatArray]:
        """Below: the candidate with the largest lower end. Above: that one if it always wins."""
        (tensor,) = operator.inputs
        places = sources(operator)
        interval, zero = self.intervals[tensor], tensor.grid.zero_point
        low, high = (
            np.where(places < 0, -(10**6), ends.reshape(self.boxes, -1)[:, places])
            for ends in (interval.low, interval.high)
        )
        best = low.argmax(axis=2)
        winner = np.take_along_axis(np.broadcast_to(places, low.shape), best[..., None], 2)[..., 0]
        others = high.copy()
        np.put_along_axis(others, best[..., None], -(10**6), axis=2)
        always = low.max(axis=2) >= others.max(axis=2)
        kept = np.where((flat > 0) | always[:, None], flat, 0.0)
        terms = np.where(
            (flat > 0) | always[:, None], 0.0, flat * (high.max(axis=2) - zero)[:, None]
        )
        back = np.zeros((*flat.shape[:2], tensor.size))
        boxes, rows = (np.asarray(i) for i in np.indices(flat.shape[:2]))
        np.add.at(back, (boxes[:, :, None], rows[:, :, None], winner[:, None]), kept)
        return [back.reshape(*flat.shape[:2], *tensor.shape)], terms.sum(axis=-1)


def staircase(operator: Operator) -> Staircase:
    """Return the rounding of an operator, in steps from its zero point."""
    grid = operator.output.grid
    shift: Any = 0
    if isinstance(operator, Linear):
        shift = operator.shift
    elif isinstance(operator, Add):
        shift = grid.exponent - _finest(operator)
    return Staircase(
        np.asarray(shift, np.int64), grid.minimum - grid.zero_point, grid.maximum - grid.zero_point
    )


def _finest(operator: Operator) -> int:
    return min(tensor.grid.exponent for tensor in (*operator.inputs, operator.output))


def _factors(operator: Operator) -> list[int]:
    """What each input of a sum is multiplied by before it is rounded."""
    if isinstance(operator, Add):
        finest = _finest(operator)
        return [1 << (tensor.grid.exponent - finest) for tensor in operator.inputs]
    return [1]


def _before_rounding(operator: Operator, inputs: tuple[Interval, ...]) -> Interval:
    if isinstance(operator, Linear):
        return accumulator_interval(operator, inputs[0])
    low, high = (
        sum(
            (getattr(interval, end) - tensor.grid.zero_point) * factor
            for interval, tensor, factor in zip(
                inputs, operator.inputs, _factors(operator), strict=True
            )
        )
        for end in ("low", "high")
    )
    return Interval(np.asarray(low), np.asarray(high))


def _through_move(operator: Operator, flat: FloatArray) -> list[FloatArray]:
    places = sources(operator)
    if places.shape[1] != 1:
        raise CertifyError(f"'{operator.output.name}': no linear bounds for this operator")
    inside = places[:, 0] >= 0
    total = sum(tensor.size for tensor in operator.inputs)
    back = np.zeros((*flat.shape[:2], total))
    for out, row in zip(back.reshape(-1, total), flat.reshape(-1, flat.shape[2]), strict=True):
        np.add.at(out, places[inside, 0], row[inside])
    parts, start = [], 0
    for tensor in operator.inputs:
        part = back[..., start : start + tensor.size]
        parts.append(part.reshape(*flat.shape[:2], *tensor.shape))
        start += tensor.size
    return parts


def _gamma(graph: IntegerGraph) -> float:
    """``n 2**-53 / (1 - n 2**-53)``, twice, with n beyond every sum of the graph."""
    longest = max(tensor.size for tensor in graph.tensors)
    widest = max((o.weights.size for o in graph.operators if isinstance(o, Linear)), default=1)
    n = 4 * (longest + widest + 64 * len(graph.operators) + 64)
    return n * 2.0**-52
