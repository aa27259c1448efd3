"""Drops reshapes that undo or repeat each other; sequences leave many behind."""

from dataclasses import replace

from tflite_export.graph import IntegerGraph, Operator, Reshape, Tensor


def merge_reshapes(graph: IntegerGraph) -> IntegerGraph:
    """Let a reshape of a reshape read the first one's input, and drop what nobody reads."""
    origin: dict[Tensor, Tensor] = {}  # a reshaped tensor -> the tensor whose integers it holds
    alias: dict[Tensor, Tensor] = {}  # a dropped tensor -> the equal one that stays
    operators: list[Operator] = []
    for operator in graph.operators:
        inputs = tuple(alias.get(tensor, tensor) for tensor in operator.inputs)
        if isinstance(operator, Reshape):
            source = origin.get(inputs[0], inputs[0])
            if source.shape == operator.output.shape and operator.output not in graph.outputs:
                alias[operator.output] = source
                continue
            origin[operator.output] = source
            inputs = (source,)
        operators.append(replace(operator, inputs=inputs))
    return graph.with_operators(_read(operators, set(graph.outputs)))


def _read(operators: list[Operator], wanted: set[Tensor]) -> tuple[Operator, ...]:
    kept: list[Operator] = []
    for operator in reversed(operators):
        if operator.output in wanted:
            kept.append(operator)
            wanted |= set(operator.inputs)
    return tuple(reversed(kept))
