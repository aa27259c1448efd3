"""A model without the softmax that it ends in, wherever that hides."""

from typing import Any

from tflite_export.keras_private import call_of, functional, is_model
from tflite_export.lower.functions import is_final, is_softmax

# Layers behind a softmax that only move its values.
_MOVERS = ("Activation", "Dropout", "Flatten", "Identity", "Permute", "Reshape")


def logits_model(model: Any, *, sigmoid: bool = False) -> Any:
    """The same model without a final softmax, sharing or copying its weights.

    Args:
        model: a model with a recorded graph.
        sigmoid: whether a final sigmoid is left out, too, as the export does.

    Looks through nested models, wrappers of models, and layers that only move values.

    Raises:
        ExportError: a model without a recorded graph.
    """
    import keras

    graph = functional(model)
    outputs = [_without_softmax(tensor, sigmoid) for tensor in graph.outputs]
    if all(a is b for a, b in zip(outputs, graph.outputs, strict=True)):
        return model
    return keras.Model(graph.inputs, outputs if len(outputs) > 1 else outputs[0])


def _without_softmax(tensor: Any, sigmoid: bool) -> Any:
    """The tensor of logits, or the same tensor where there is no softmax."""
    node, tensor_index = call_of(tensor)
    layer = node.operation
    if node.is_input:
        return tensor
    if is_softmax(layer) or (sigmoid and is_final(layer)):
        return _logits_of(layer, node.input_tensors[0])
    inner = layer
    while not is_model(inner) and is_model(getattr(inner, "layer", None)):
        inner = inner.layer
    if is_model(inner):
        found = logits_model(inner, sigmoid=sigmoid)
        if found is inner:
            return tensor
        inputs = node.input_tensors
        results = found(inputs if len(inputs) > 1 else inputs[0])
        return results[tensor_index] if isinstance(results, list | tuple) else results
    if type(layer).__name__ in _MOVERS and len(node.input_tensors) == 1:
        source = _without_softmax(node.input_tensors[0], sigmoid)
        return tensor if source is node.input_tensors[0] else layer(source)
    return tensor


def _logits_of(layer: Any, source: Any) -> Any:
    if type(layer).__name__ in ("Softmax", "Activation", "QActivation"):
        return source
    plain = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    logits = plain(source)
    plain.set_weights(layer.get_weights())
    return logits
