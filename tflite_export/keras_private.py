"""Keras's private parts: all that this project reads of them, so that an upgrade breaks one file.

Keras 3 records how layers were called, but shows little of the record. What is used here, and what
breaks without it:

* ``Model._functional`` (Sequential), ``Functional._nodes_by_depth``: the order in which layers run.
  Export, parity, ranges and ``qrobust.quantize`` find no layers.
* ``KerasTensor._keras_history``, ``Operation._inbound_nodes``: which call made a tensor. A final
  softmax is not found, nor the layers that ``quantize`` reads in reverse.
* ``Functional._inputs_struct``, ``_outputs_struct``: whether ``predict`` takes and gives a list, a
  dictionary or one array. Twins of models with named inputs or outputs would have lists.
* ``Layer._flatten_layers``: layers inside layers. Schedules, ``set_bits`` and initial weights miss
  those in wrappers and nested models.
* ``Layer._build_shapes_dict``: the shape that a layer was built for. ``defend`` cannot copy a norm.

Keras says nothing of a change in any of these; ``tests/tflite_export/test_keras_private.py`` does.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.foreign import foreign_model

Visitor = Callable[[Any, Sequence[Any]], Any]


def functional(model: Any) -> Any:
    """The recorded graph of a Sequential or Functional model.

    Raises:
        ExportError: the model is not built, subclassed, or of another package.
    """
    why = foreign_model(model)
    if why is not None:
        raise ExportError(f"{why}.")
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise ExportError(
            f"Model '{getattr(model, 'name', '')}' ({type(model).__name__}) has no recorded graph. "
            f"Build it with an input shape, and as a Sequential or Functional model, not a "
            f"subclassed one."
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


def walk(
    model: Any, inputs: Sequence[Any], visit: Callable[[Any, Sequence[Any]], Any]
) -> list[Any]:
    """Run ``visit(operation, inputs) -> output`` over the graph and return the outputs' values.

    Nested models and shared layers appear as what they are: one more operation, visited again.

    Args:
        model: a built Keras model.
        inputs: one value per model input.
        visit: computes the value of an operation's output; an operation with several outputs
            returns a list of them.
    """
    graph = functional(model)
    values = {id(t): value for t, value in zip(graph.inputs, inputs, strict=True)}
    for node in nodes(graph):
        outputs = node.output_tensors
        result = visit(node.operation, [values[id(t)] for t in node.input_tensors])
        results = result if len(outputs) > 1 else [result]
        values.update({id(t): v for t, v in zip(outputs, results, strict=True)})
    return [values[id(t)] for t in graph.outputs]


def input_name(tensor: Any) -> str:
    """The name of a model's input."""
    return str(tensor.name).partition(":")[0]


def call_of(tensor: Any) -> tuple[Any, int]:
    """The node that made a Keras tensor, and which of its outputs the tensor is."""
    layer, node, output = tensor._keras_history
    return layer._inbound_nodes[node], output


def input_structure(model: Any) -> Any:
    """The inputs of a model as its ``predict`` takes them; None where that is not recorded."""
    return getattr(functional(model), "_inputs_struct", None)


def output_structure(model: Any) -> Any:
    """The outputs of a model as its ``predict`` gives them; None where that is not recorded."""
    return getattr(functional(model), "_outputs_struct", None)


def layers_inside(layer: Any, *, itself: bool = True) -> Iterator[Any]:
    """A layer and all layers inside it, in wrappers and nested models too."""
    yield from layer._flatten_layers(include_self=itself)


def built_shape(layer: Any) -> Any:
    """The input shape that a layer was built for."""
    return layer._build_shapes_dict["input_shape"]
