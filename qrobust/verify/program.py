"""A file's integer graph as a mixed-integer program, decided by HiGHS: an oracle beside the proofs.

Shares nothing with `qrobust.verify`'s linear bounds and branching; interval ends say which neurons
are constant. Every rounding is an integer variable, ``2**s p - 2**(s-1) <= acc <= 2**s p + 2**(s-1)
- 1``, every clamp that may bind a binary one (big M). HiGHS works in floats with tolerances, so an
answer goes into tables, never into a journal; an input that it finds counts only if the file itself
labels it otherwise. Needs SciPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.domain import Picture
from qrobust.verify.intervals import Interval, accumulator_interval, propagate
from qrobust.verify.last_layer import beaten
from qrobust.verify.methods import register
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN, Counterexample, Outcome
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Region
from tflite_export import reference
from tflite_export.graph import Linear, Operator, Reshape
from tflite_export.grid import round_shift

METHOD = "milp"
SECONDS = 20
#: Inputs whose weights are read at once: all of a picture's would be gigabytes, mostly zeros.
_UNITS = 64
_INFEASIBLE, _FOUND = 2, 0

#: A number of the network: its column, -1 where it is constant, and a constant.
Number: TypeAlias = tuple[int, int]
Numbers: TypeAlias = dict[Any, list[Number]]


@dataclass
class Program:
    """Variables and rows of a program under construction.

    A number of the network is a pair ``(column, constant)``; column -1 where it is constant.
    """

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    rows: list[dict[int, float]] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)

    def variable(self, low: float, high: float) -> int:
        """A new integer variable."""
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def row(self, terms: dict[int, float], low: float, high: float) -> None:
        """``low <= sum(terms) <= high``."""
        self.rows.append(terms)
        self.ends.append((low, high))

    def at_least(self, p: int, bound: int) -> int:
        """A variable ``max(p, bound)``."""
        below, above = bound - self.low[p], self.high[p] - bound
        y = self.variable(bound, self.high[p])
        b = self.variable(0, 1)  # 1: the bound binds
        self.row({y: 1, p: -1}, 0, np.inf)
        self.row({y: 1, p: -1, b: -below}, -np.inf, 0)
        self.row({y: 1, b: above}, -np.inf, bound + above)
        return y

    def at_most(self, p: int, bound: int) -> int:
        """A variable ``min(p, bound)``."""
        below, above = bound - self.low[p], self.high[p] - bound
        y = self.variable(self.low[p], bound)
        b = self.variable(0, 1)
        self.row({y: 1, p: -1}, -np.inf, 0)
        self.row({y: 1, p: -1, b: above}, 0, np.inf)
        self.row({y: 1, b: -below}, bound - below, np.inf)
        return y

    def solve(self, extra: tuple[dict[int, float], float], seconds: float) -> Any:
        """Look for a point that also has ``sum(terms) >= least``."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        terms, least = extra
        rows, ends = [*self.rows, terms], [*self.ends, (least, np.inf)]
        data = [(i, j, v) for i, row in enumerate(rows) for j, v in row.items()]
        i, j, values = zip(*data, strict=True)
        matrix = csr_array((values, (i, j)), shape=(len(rows), len(self.low)))
        low, high = np.array(ends).T
        return milp(
            np.zeros(len(self.low)),
            integrality=np.ones(len(self.low)),
            bounds=Bounds(self.low, self.high),
            constraints=LinearConstraint(matrix, low, high),
            options={"time_limit": seconds},
        )


@lru_cache(maxsize=32)
def affine(operator: Linear) -> Any:
    """The weights of every output number, as rows of a sparse matrix."""
    from scipy.sparse import csr_array, vstack

    size, zero = operator.source.size, operator.source.grid.zero_point
    columns = []
    for start in range(0, size, _UNITS):
        count = min(_UNITS, size - start)
        units = np.eye(count, size, start, dtype=np.int64).reshape(count, *operator.source.shape)
        sums = reference.accumulate(operator, units + zero) - operator.bias
        columns.append(csr_array(sums.reshape(count, -1).astype(np.float64)))
    return csr_array(vstack(columns).T)


@register(METHOD, journal=False)
def decide(problem: Problem, x: Picture, region: Region, budget: int) -> Outcome:
    """Return what HiGHS says of the file's label in a box.

    Args:
        problem: the file: weighted sums and reshapes only.
        x: one input, grid integers.
        region: a box or a ball.
        budget: seconds for each class that intervals leave open.

    Raises:
        CertifyError: an operator that has no program here, a region that is no box, or no SciPy.
    """
    try:
        import scipy.optimize  # noqa: F401
    except ImportError:
        raise CertifyError("method 'milp' is SciPy's HiGHS: pip install scipy") from None
    label = int(problem.predictor.labels(x[None])[0])
    box = problem.interval([region.box(x, problem.domain)])
    graph = problem.graph
    intervals = propagate(graph, box)
    (others,) = np.nonzero(~beaten(graph, intervals, label)[0])
    if not len(others):
        return Outcome(PROVEN, label, METHOD, inferences=1, boxes=1)
    program = Program()
    (source,) = graph.inputs
    values: Numbers = {source: [_input(program, *ends) for ends in _pairs(box)]}
    for operator in graph.operators:
        values[operator.output] = _numbers(program, operator, intervals, values)
    logits = values[graph.outputs[0]]
    status = PROVEN
    for other in others.tolist():
        terms, constant = _difference(logits[other], logits[label])
        found = program.solve((terms, float(other > label) - constant), budget)
        if found.status == _INFEASIBLE:
            continue
        if found.status == _FOUND:
            shown = _shown(problem, values[source], found.x)
            if shown.label != label:
                return Outcome(REFUTED, label, METHOD, 2, 1, counterexample=shown)
        status = UNKNOWN
    return Outcome(status, label, METHOD, inferences=1, boxes=1)


def _input(program: Program, low: int, high: int) -> Number:
    return (-1, low) if low == high else (program.variable(low, high), 0)


def _pairs(interval: Interval) -> list[Number]:
    low, high = interval.low[0].ravel(), interval.high[0].ravel()
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _numbers(
    program: Program, operator: Operator, intervals: dict[Any, Interval], values: Numbers
) -> list[Number]:
    """The numbers of an operator's output."""
    if isinstance(operator, Reshape):
        return values[operator.inputs[0]]
    if not isinstance(operator, Linear):
        raise CertifyError(f"no program for '{operator.output.name}', a {type(operator).__name__}")
    grid, zero = operator.output.grid, operator.source.grid.zero_point
    acc = accumulator_interval(operator, intervals[operator.source])
    shape = acc.low[0].shape
    shifts = np.broadcast_to(operator.shift, shape).ravel().tolist()
    biases = np.broadcast_to(operator.bias, shape).ravel().tolist()
    matrix = affine(operator)
    numbers: list[Number] = []
    for i, ends in enumerate(_pairs(intervals[operator.output])):
        if ends[0] == ends[1]:
            numbers.append((-1, ends[0]))
            continue
        terms: dict[int, float] = {}
        constant = float(biases[i])
        for at in range(matrix.indptr[i], matrix.indptr[i + 1]):
            column, fixed = values[operator.source][matrix.indices[at]]
            weight = matrix.data[at]
            constant += weight * (fixed - zero)
            if column >= 0:
                terms[column] = terms.get(column, 0.0) + weight
        ranges = [
            grid.zero_point + int(round_shift(end[0].ravel()[i], np.int64(shifts[i])))
            for end in (acc.low, acc.high)
        ]
        p = program.variable(*ranges)
        _rounded(program, terms, constant, p, shifts[i], grid.zero_point)
        if ranges[0] < grid.minimum:
            p = program.at_least(p, grid.minimum)
        if ranges[1] > grid.maximum:
            p = program.at_most(p, grid.maximum)
        numbers.append((p, 0))
    return numbers


def _rounded(
    program: Program, terms: dict[int, float], constant: float, p: int, shift: int, zero: int
) -> None:
    """``p = zero + floor((terms + constant) / 2**shift + 1/2)``."""
    step = 2.0**shift
    row = {**{column: weight for column, weight in terms.items()}, p: -step}
    middle = -constant - step * zero
    if shift < 1:
        program.row(row, middle, middle)
    else:
        program.row(row, middle - step / 2, middle + step / 2 - 1)


def _difference(a: Number, b: Number) -> tuple[dict[int, float], float]:
    terms = {column: sign for (column, _), sign in ((a, 1.0), (b, -1.0)) if column >= 0}
    return terms, float(a[1] - b[1])


def _shown(problem: Problem, numbers: list[Number], solution: Any) -> Counterexample:
    """The input that a solution is, with the label that the file itself gives it."""
    stored = [round(solution[column]) if column >= 0 else fixed for column, fixed in numbers]
    grid = np.array(stored) - problem.file.grid.zero_point
    picture = grid.reshape(problem.domain.shape).astype(np.int16)
    return Counterexample(picture, int(problem.predictor.labels(picture[None])[0]))
