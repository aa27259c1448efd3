"""Visits a Keras model's operations in the order in which they run.

Works on the graph that Keras 3 records for Sequential and Functional models; a subclassed model has
none. Nested models and shared layers appear as what they are: one more operation, visited again.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tflite_export.errors import ExportError

Visitor = Callable[[Any, Sequence[Any]], Any]


def functional(model: Any) -> Any:
    """The recorded graph of a Sequential or Functional model.

    Raises:
        ExportError: the model is not built, or subclassed.
    """
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise ExportError(
            f"Model '{model.name}' ({type(model).__name__}) has no recorded graph. Build it with "
            f"an input shape, and as a Sequential or Functional model, not a subclassed one."
        )
    return graph


def is_model(layer: Any) -> bool:
    """Whether a layer is a Sequential or Functional model of its own."""
    return getattr(layer, "_functional", None) is not None or hasattr(layer, "_nodes_by_depth")


def nodes(model: Any) -> list[Any]:
    """The calls of a model's layers, inputs left out, each after those it reads from.

    A node has an ``operation``, ``input_tensors`` and ``output_tensors``.
    """
    by_depth = functional(model)._nodes_by_depth
    ordered = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [node for node in ordered if not node.is_input]


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
