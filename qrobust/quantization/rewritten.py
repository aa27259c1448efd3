"""A model with some of its calls exchanged for others."""

from collections.abc import Callable, Sequence
from typing import Any

from qrobust.quantization.calls import arguments, kept
from qrobust.quantization.graph import FloatGraph, packed_model

Change = Callable[[Any, Sequence[Any]], Any]


def rewritten(model: Any, change: Change) -> Any:
    """The model, its layers shared, with what ``change`` makes of each call.

    Args:
        model: a Sequential or Functional model.
        change: ``(node, inputs) -> output``, or None where the call stays as it is.

    Returns:
        The model itself where nothing was changed.
    """
    graph = FloatGraph(model)
    values = {id(t): t for t in graph.graph.inputs}
    for node in graph.nodes:
        inputs = [values[id(t)] for t in node.input_tensors]
        outputs = change(node, inputs)
        if outputs is None:
            same = all(a is b for a, b in zip(inputs, node.input_tensors, strict=True))
            outputs = node.output_tensors if same else _called(node, inputs)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        values.update({id(t): y for t, y in zip(node.output_tensors, outputs, strict=True)})
    ends = [values[id(t)] for t in graph.graph.outputs]
    if all(a is b for a, b in zip(ends, graph.graph.outputs, strict=True)):
        return model
    return packed_model(graph.graph, graph.graph.inputs, ends, model.name)


def _called(node: Any, inputs: Sequence[Any]) -> Any:
    return node.operation(*arguments(node, inputs), **kept(node))
