"""A float Keras model as a graph to be read: who reads what, which norm belongs to which layer."""

from collections.abc import Sequence
from typing import Any

import keras

from qrobust.layers import (
    BoundarySamples,
    Consistency,
    Distillation,
    IntervalBounds,
    JacobianRegularized,
    Macer,
    SmoothAdversarial,
    WeightDistribution,
)
from qrobust.quantization.twins import is_linear
from tflite_export.keras_private import (
    call_of,
    functional,
    input_structure,
    is_model,
    nodes,
    output_structure,
)
from tflite_export.lower.functions import function_name

_L = keras.layers
#: Wrappers around a whole model; the Jacobian's may also be around a layer, and the distribution
#: of a kernel always is.
WRAPPERS = (
    JacobianRegularized,
    Consistency,
    Distillation,
    SmoothAdversarial,
    Macer,
    IntervalBounds,
    WeightDistribution,
    BoundarySamples,
)


class FloatGraph:
    """A Sequential or Functional model, with what reads each of its tensors.

    Attributes:
        model: the model.
        graph: its recorded graph.
        nodes: calls of its layers, in an order in which they can run.
        final: ids of output tensors.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graph = functional(model)
        self.nodes = nodes(model)
        self.final = {id(t) for t in self.graph.outputs}
        self._readers: dict[int, list[Any]] = {}
        self._uses: dict[int, list[Any]] = {}
        for node in self.nodes:
            self._uses.setdefault(id(node.operation), []).append(node)
            for tensor in node.input_tensors:
                self._readers.setdefault(id(tensor), []).append(node)

    def readers(self, tensor: Any) -> list[Any]:
        """The calls that read a tensor."""
        return self._readers.get(id(tensor), [])

    def uses(self, layer: Any) -> list[Any]:
        """The calls of a layer."""
        return self._uses.get(id(layer), [])

    def only_reader(self, tensor: Any) -> Any:
        """The one call that reads a tensor, or None: several do, none does, or it is an output."""
        readers = self.readers(tensor)
        return readers[0] if len(readers) == 1 and id(tensor) not in self.final else None

    def writer(self, tensor: Any) -> Any:
        """The call that makes a tensor, or None for inputs."""
        node, _ = call_of(tensor)
        return None if node.is_input else node

    def norm_of(self, layer: Any) -> Any:
        """The batch norm that follows every use of a linear layer, and follows nothing else."""
        kernel = inner_layer(layer)
        if not is_linear(kernel) or function_name(kernel.activation) != "linear":
            return None
        found = set()
        for node in self.uses(layer):
            reader = self.only_reader(node.output_tensors[0])
            found.add(reader.operation if reader is not None else None)
        (norm,) = found if len(found) == 1 else (None,)
        normalizes = isinstance(norm, _L.BatchNormalization)
        # A norm behind two layers keeps the statistics of both: no folded layer would.
        if normalizes and len(self.uses(norm)) != len(self.uses(layer)):
            return None
        return norm if normalizes and last_axis(norm, node.output_tensors[0]) else None


def last_axis(norm: Any, tensor: Any) -> bool:
    """Whether a batch norm normalizes the last axis."""
    axis = norm.axis if isinstance(norm.axis, int) else norm.axis[0]
    return axis in (-1, len(tensor.shape) - 1)


def inner_layer(layer: Any) -> Any:
    """The layer in a wrapper around a single layer; any other layer itself."""
    wraps = isinstance(layer, JacobianRegularized) and not layer.wraps_model
    return layer.layer if wraps or isinstance(layer, WeightDistribution) else layer


def inner_model(layer: Any) -> Any:
    """The model in any number of wrappers."""
    while isinstance(layer, WRAPPERS):
        layer = layer.layer
    return layer


def rewrapped(wrapper: Any, layer: Any) -> Any:
    """The same wrapper around another layer, its weight or its spreads those of now."""
    config = {key: value for key, value in wrapper.get_config().items() if key != "layer"}
    if "weight" in config:
        config["weight"] = wrapper.weight
    if isinstance(wrapper, Distillation):
        config["teacher"] = wrapper.teacher
    again = type(wrapper)(layer, **config)
    if isinstance(wrapper, WeightDistribution):
        again.start_from(wrapper)
    return again


def is_nested(layer: Any) -> bool:
    """Whether a layer is a model, wrapped or not."""
    return is_model(inner_model(layer))


def only(tensors: Sequence[Any]) -> Any:
    """One tensor as it is, several as a list: what layers take."""
    return tensors[0] if len(tensors) == 1 else list(tensors)


def packed_model(graph: Any, inputs: list[Any], outputs: list[Any], name: str) -> Any:
    """A model over new tensors whose inputs and outputs are structured as a graph's.

    One tensor in, one out: a model of lists would give lists to the layer that reads it.
    """
    structures = (input_structure(graph), output_structure(graph))
    packed = []
    for structure, tensors in zip(structures, (inputs, outputs), strict=True):
        value = tensors if structure is None else keras.tree.pack_sequence_as(structure, tensors)
        packed.append(value[0] if isinstance(value, list | tuple) and len(value) == 1 else value)
    return keras.Model(*packed, name=name)
