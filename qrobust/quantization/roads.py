"""Where a tensor of a float model comes from and what it meets next."""

from collections.abc import Callable
from typing import Any

import keras

from qrobust.layers.input_noise import INPUT_NOISES
from qrobust.quantization.graph import FloatGraph, inner_layer, inner_model, is_nested
from qrobust.quantization.kinds import AVERAGES, is_relu, is_softmax, moves
from qrobust.quantization.tables import is_tabulated
from qrobust.quantization.twins import is_linear
from tflite_export.lower.functions import function_name

_L = keras.layers
_JOINS = (*AVERAGES, _L.Add, _L.Concatenate, _L.Maximum, _L.Minimum)


class Roads:
    """Questions about the roads through a float graph.

    Args:
        graph: the model.
        folded: ids of batch norms that are folded into the layer before them.
    """

    def __init__(self, graph: FloatGraph, folded: set[int]) -> None:
        self._graph = graph
        self._folded = folded

    def meet_relu(self, tensor: Any) -> bool:
        """Whether every road from a tensor leads through a ReLU before it leads anywhere else."""
        return self._meet(tensor, is_relu)

    def meet_quantizer(self, tensor: Any) -> bool:
        """Whether every road leads first to what rounds in its twin: a ReLU or a table."""
        return self._meet(tensor, lambda layer: is_relu(layer) or is_tabulated(layer))

    def _meet(self, tensor: Any, met: Callable[[Any], bool]) -> bool:
        readers = self._graph.readers(tensor)
        if not readers or id(tensor) in self._graph.final:
            return False
        return all(
            met(node.operation)
            or (
                (moves(node.operation) or id(node.operation) in self._folded)
                and self._meet(node.output_tensors[0], met)
            )
            for node in readers
        )

    def never_negative(self, tensor: Any) -> bool:
        """Whether a tensor is a ReLU's, or made of such ones without a sign."""
        node = self._graph.writer(tensor)
        if node is None:
            return False
        layer = inner_layer(node.operation)
        if is_relu(layer) or function_name(getattr(layer, "activation", None)) == "relu":
            return True
        if is_tabulated(layer):
            return bool(layer.activation.never_negative)
        passes = moves(layer) or isinstance(layer, _JOINS)
        return passes and all(self.never_negative(t) for t in node.input_tensors)

    def needs_grid(self, source: Any) -> bool:
        """Whether a model's input must say its grid, or what reads it would choose another one.

        That is where a ReLU reads it, whose own range is none of the input's, or where several
        layers do, and one of them is no linear layer (whose kernel takes any grid) and no noise
        layer (which says the grid itself).
        """
        ends = self._ends(source)
        if any(is_relu(node.operation) for node in ends):
            return True
        free = (
            isinstance(n.operation, INPUT_NOISES) or is_linear(inner_layer(n.operation))
            for n in ends
        )
        return len(ends) > 1 and not all(free)

    def _ends(self, source: Any) -> list[Any]:
        """The calls that read a tensor, moved or in another unit, and do more than that."""
        found = []
        for tensor in self._moved(source):
            for node in self._graph.readers(tensor):
                if is_nested(node.operation):
                    inside, position = _inside(node, tensor)
                    found += inside._ends(inside._graph.graph.inputs[position])
                elif not _passes(node.operation):
                    found.append(node)
        return found

    def _moved(self, source: Any) -> list[Any]:
        """A tensor, and all that it becomes by being moved or in another unit."""
        found = [source]
        for tensor in found:  # which grows
            for node in self._graph.readers(tensor):
                if is_nested(node.operation):
                    inside, position = _inside(node, tensor)
                    graph = inside._graph.graph
                    kept = {id(t) for t in inside._moved(graph.inputs[position])}
                    pairs = zip(graph.outputs, node.output_tensors, strict=True)
                    found += [outer for inner, outer in pairs if id(inner) in kept]
                elif _passes(node.operation):
                    found += node.output_tensors
        return found

    def is_last(self, tensor: Any) -> bool:
        """Whether a tensor is an output, or goes into a softmax."""
        readers = self._graph.readers(tensor)
        return id(tensor) in self._graph.final or any(is_softmax(n.operation) for n in readers)


def _passes(layer: Any) -> bool:
    return moves(layer) or isinstance(layer, _L.Rescaling)


def _inside(node: Any, tensor: Any) -> tuple[Roads, int]:
    """The roads inside a model that is called, and which of its inputs a tensor is."""
    position = [id(t) for t in node.input_tensors].index(id(tensor))
    return Roads(FloatGraph(inner_model(node.operation)), set()), position
