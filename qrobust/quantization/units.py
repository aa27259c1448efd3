"""Linear layers with the batch norm and the ReLU that follow them."""

from dataclasses import dataclass
from typing import Any

import keras

from qrobust.quantization.twins import FOLDED, LINEAR, copy_linear
from tflite_export.lower.walk import functional, nodes

_L = keras.layers


@dataclass(frozen=True)
class Unit:
    """A linear layer and what follows it, where nothing else reads what is in between.

    Attributes:
        linear: a Dense, Conv2D or DepthwiseConv2D layer.
        norm: its batch norm, or None.
        relu: the ReLU layer behind, or None.
    """

    linear: Any
    norm: Any
    relu: Any

    def float_layer(self) -> Any:
        """One float layer that computes the same, not built yet: folded where there is a norm."""
        config = self.linear.get_config()
        if self.relu is not None:
            config["activation"] = "relu"
        if self.norm is None:
            return type(self.linear).from_config(config)
        for key in ("bias_initializer", "bias_regularizer", "bias_constraint", "use_bias"):
            config.pop(key, None)
        config.update(momentum=self.norm.momentum, epsilon=self.norm.epsilon)
        folded: Any = FOLDED[type(self.linear)]
        return folded.from_config(config)

    def copy_weights(self, layer: Any) -> None:
        """Give a built ``float_layer`` the weights of the unit."""
        if self.norm is None:
            layer.set_weights(self.linear.get_weights())
        else:
            copy_linear(self.linear, self.norm, layer)


def find_units(model: Any) -> list[Unit]:
    """The units of a float model: every linear layer that runs once is in one."""
    graph = functional(model)
    readers: dict[int, list[Any]] = {}
    for node in nodes(model):
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node)
    final = {id(tensor) for tensor in graph.outputs}

    def next_of(node: Any) -> Any:
        output = node.output_tensors[0]
        following = readers.get(id(output), [])
        return following[0] if len(following) == 1 and id(output) not in final else None

    units = []
    linear = [node for node in nodes(model) if type(node.operation) in LINEAR]
    for node in linear:
        layer = node.operation
        if sum(other.operation is layer for other in linear) > 1:
            continue
        norm = relu = None
        if layer.activation is keras.activations.linear:
            after = next_of(node)
            if after is not None and isinstance(after.operation, _L.BatchNormalization):
                norm, after = after.operation, next_of(after)
            if after is not None and is_plain_relu(after.operation):
                relu = after.operation
        units.append(Unit(layer, norm, relu))
    return units


def is_plain_relu(layer: Any) -> bool:
    """Whether a layer is ``max(x, 0)`` and nothing more."""
    if isinstance(layer, _L.ReLU):
        return not (layer.negative_slope or layer.threshold) and layer.max_value is None
    return isinstance(layer, _L.Activation) and layer.activation is keras.activations.relu
