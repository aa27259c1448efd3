"""Lets sums lean, so that runtimes that round half to even add as all others do.

Only scales change (``tflite_export.leaning``). The two operands of a sum must lean alike, so a
network that adds across sums keeps some of them as they are; ``clients`` says so.
"""

from dataclasses import replace

from tflite_export.graph import Add, IntegerGraph, Operator, Tensor
from tflite_export.leaning import MOST, may_lean, rounds


def lean(graph: IntegerGraph) -> IntegerGraph:
    """Give every tensor its lean: 0 at the inputs, one more behind each sum that may lean."""
    leans = _leans(graph)
    written = {
        tensor: replace(tensor, lean=leans[tensor]) if leans[tensor] else tensor
        for tensor in graph.tensors
    }
    operators = tuple(
        replace(o, inputs=tuple(written[t] for t in o.inputs), output=written[o.output])
        for o in graph.operators
    )
    outputs = tuple(written[tensor] for tensor in graph.outputs)
    return replace(graph, outputs=outputs, operators=operators)


def half_even_differs(operator: Operator) -> bool:
    """Whether a sum rounds ties that its scale does not decide."""
    if not isinstance(operator, Add):
        return False
    a, b = operator.inputs
    return rounds(a.grid, b.grid, operator.output.grid) and operator.output.lean == a.lean


def _leans(graph: IntegerGraph) -> dict[Tensor, int]:
    sums = [o for o in graph.operators if isinstance(o, Add) and _may_lean(o)][:MOST]
    group = _Differences(graph.tensors)
    for tensor in graph.inputs[1:]:
        group.join(graph.inputs[0], tensor, 0)
    for operator in graph.operators:
        for source in operator.inputs[1:]:
            group.join(operator.inputs[0], source, 0)
        if operator not in sums:
            group.join(operator.inputs[0], operator.output, 0)
    for operator in sums:
        if not group.join(operator.inputs[0], operator.output, 1) and not group.join(
            operator.inputs[0], operator.output, 0
        ):
            return dict.fromkeys(graph.tensors, 0)
    return {tensor: group.difference(graph.inputs[0], tensor) for tensor in graph.tensors}


def _may_lean(operator: Add) -> bool:
    a, b = operator.inputs
    return may_lean(a.grid, b.grid, operator.output.grid)


class _Differences:
    """Union-find over tensors with the known differences of their leans."""

    def __init__(self, tensors: tuple[Tensor, ...]) -> None:
        self.above = {tensor: (tensor, 0) for tensor in tensors}

    def root(self, tensor: Tensor) -> tuple[Tensor, int]:
        """The tensor that stands for a group, and how much more this one leans."""
        total = 0
        while self.above[tensor][0] is not tensor:
            tensor, more = self.above[tensor]
            total += more
        return tensor, total

    def join(self, first: Tensor, second: Tensor, more: int) -> bool:
        """Let the second lean ``more`` than the first; False where that contradicts."""
        (a, of_first), (b, of_second) = self.root(first), self.root(second)
        if a is b:
            return of_second - of_first == more
        self.above[b] = (a, of_first + more - of_second)
        return True

    def difference(self, first: Tensor, second: Tensor) -> int:
        """How much more the second leans; 0 where nothing joins them."""
        (a, of_first), (b, of_second) = self.root(first), self.root(second)
        return of_second - of_first if a is b else 0
