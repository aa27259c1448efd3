"""Where a tensor of a float model comes from and what it meets next."""

from typing import Any

import keras

from qrobust.quantization.graph import FloatGraph, inner_layer
from qrobust.quantization.kinds import AVERAGES, is_relu, is_softmax, moves
from tflite_export.lower.functions import function_name

_L = keras.layers


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
        readers = self._graph.readers(tensor)
        if not readers or id(tensor) in self._graph.final:
            return False
        return all(
            is_relu(node.operation)
            or (
                (moves(node.operation) or id(node.operation) in self._folded)
                and self.meet_relu(node.output_tensors[0])
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
        passes = moves(layer) or isinstance(layer, (*AVERAGES, _L.Add, _L.Concatenate))
        return passes and all(self.never_negative(t) for t in node.input_tensors)

    def is_last(self, tensor: Any) -> bool:
        """Whether a tensor is an output, or goes into a softmax."""
        readers = self._graph.readers(tensor)
        return id(tensor) in self._graph.final or any(is_softmax(n.operation) for n in readers)
