"""Visits a Keras model's operations in the order in which they run.

Works on the graph that Keras 3 records for Sequential and Functional models; a subclassed model has
none. Nested models and shared layers appear as what they are: one more operation, visited again.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tflite_export.keras_private import functional, is_model, nodes

__all__ = ["functional", "is_model", "nodes", "walk"]

Visitor = Callable[[Any, Sequence[Any]], Any]


def walk(model: Any, inputs: Sequence[Any], visit: Visitor) -> list[Any]:
    """Run ``visit(operation, inputs) -> output`` over the graph and return the outputs' values.

    Args:
        model: a built Keras model.
        inputs: one value per model input.
        visit: computes the value of an operation's output; an operation with several outputs
            returns a list of them.
    """
    graph = functional(model)
    values = {id(t): value for t, value in zip(graph.inputs, inputs, strict=True)}
    for node in nodes(model):
        outputs = node.output_tensors
        result = visit(node.operation, [values[id(t)] for t in node.input_tensors])
        results = result if len(outputs) > 1 else [result]
        values.update({id(t): v for t, v in zip(outputs, results, strict=True)})
    return [values[id(t)] for t in graph.outputs]
