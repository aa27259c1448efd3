"""Linear layers with the batch norm and the ReLU that follow them."""

from dataclasses import dataclass
from typing import Any

import keras

from qrobust.quantization.graph import inner_layer
from qrobust.quantization.twins import FOLDED, LINEAR, copy_linear
from tflite_export.keras_private import functional, nodes

_L = keras.layers


@dataclass(frozen=True)
class Unit:
    """A linear layer and what follows it, where nothing else reads what is in between.

    Attributes:
        linear: a Dense, Conv2D or DepthwiseConv2D layer.
        norm: its batch norm, or None.
        relu: the ReLU layer behind, or None.
        runs: how often the model runs it; every time the same layers follow.
        wrapper: the Jacobian penalty around the linear layer, or None.
    """

    linear: Any
    norm: Any
    relu: Any
    runs: int = 1
    wrapper: Any = None

    def float_layer(self) -> Any:
        """One float layer that computes the same, not built yet: folded where there is a norm."""
        config = self.linear.get_config()
        if self.relu is not None:
            config["activation"] = "relu"
        if self.norm is None:
            kind: Any = type(self.linear)
            return kind.from_config(config)
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


def find_units(model: Any, *, shared: bool = False) -> list[Unit]:
    """The units of a model, for whoever makes one layer of each: penalties, folding.

    A norm belongs to a unit where it follows the linear layer every time that either runs: a layer
    that branches share, and follow with different norms, could be folded for one of them only, and
    a norm behind two layers keeps the statistics of both. A ReLU belongs to it by the same rule.

    Args:
        model: a float Sequential or Functional model.
        shared: also give linear layers that run more than once. (Without, every linear layer that
            runs once is in one unit.)
    """
    graph, all_nodes = functional(model), nodes(model)
    readers: dict[int, list[Any]] = {}
    runs: dict[int, list[Any]] = {}
    for node in all_nodes:
        runs.setdefault(id(inner_layer(node.operation)), []).append(node)
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node)
    final = {id(tensor) for tensor in graph.outputs}

    def next_of(before: list[Any]) -> list[Any]:
        """The runs of the one layer that follows all these runs, and nothing else; or none."""
        after = []
        for node in before:
            output = node.output_tensors[0]
            following = readers.get(id(output), [])
            if len(following) != 1 or id(output) in final:
                return []
            after.append(following[0])
        layer = after[0].operation
        whole = len(runs[id(inner_layer(layer))]) == len(after)
        return after if whole and all(node.operation is layer for node in after) else []

    units = []
    for mine in runs.values():
        layer, outer = inner_layer(mine[0].operation), mine[0].operation
        if type(layer) not in LINEAR or (len(mine) > 1 and not shared):
            continue
        norm = relu = None
        if layer.activation is keras.activations.linear:
            after = next_of(mine)
            if after and isinstance(after[0].operation, _L.BatchNormalization):
                norm, after = after[0].operation, next_of(after)
            if after and is_plain_relu(after[0].operation):
                relu = after[0].operation
        units.append(Unit(layer, norm, relu, len(mine), None if outer is layer else outer))
    return units


def is_plain_relu(layer: Any) -> bool:
    """Whether a layer is ``max(x, 0)`` and nothing more."""
    if isinstance(layer, _L.ReLU):
        return not (layer.negative_slope or layer.threshold) and layer.max_value is None
    return isinstance(layer, _L.Activation) and layer.activation is keras.activations.relu
