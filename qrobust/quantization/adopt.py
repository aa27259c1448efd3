"""``adopt``: a stock QKeras model becomes one that exports bit for bit, with a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.quantization.adopted_activations import Form, adopted_activation, is_quantizer
from qrobust.quantization.adopted_layers import adopted_weights, copied, folded_with
from qrobust.quantization.affine import is_grid_scaling
from qrobust.quantization.calibration import calibration_data, input_grids
from qrobust.quantization.checks import check_exports
from qrobust.quantization.graph import FloatGraph, packed_model
from qrobust.quantization.kinds import moves
from qrobust.quantization.names import Names
from qrobust.quantization.prepared import prepared
from qrobust.quantization.ranges import integer_bits, logits_bits, observe
from qrobust.quantizers import QuantizedBits, QuantizedRelu
from tflite_export.grid import Grid
from tflite_export.keras_private import call_of
from tflite_export.logits import logits_model
from tflite_export.lower.functions import function_name, is_final
from tflite_export.lower.registry import INSTEAD
from tflite_export.predict import outputs_of

_L = keras.layers
_WIDE_BITS = 8
_DRAWN = 256
_WEIGHTED = ("kernel", "depthwise_kernel", "pointwise_kernel")


@dataclass(frozen=True)
class Adopted:
    """A model that exports bit for bit, and what was changed for it; ``str()`` says so.

    Attributes:
        model: not compiled, ready to train further.
        changes: one sentence each, with the layer's name.
        examples: inputs on which labels were compared.
        changed_labels: examples whose label differs from the original model's; None where the
            output is no classes.
    """

    model: Any
    changes: tuple[str, ...]
    examples: int
    changed_labels: int | None

    def __str__(self) -> str:
        lines = [f"{len(self.changes)} changes:", *(f"  * {change}" for change in self.changes)]
        if self.changed_labels is not None:
            lines.append(f"labels that change: {self.changed_labels} of {self.examples}")
        return "\n".join(lines)


def adopt(model: Any, inputs: Any = None, *, input_grid: Grid | str | None = None) -> Adopted:
    """Make a QKeras or HGQ2 model exact: half-up activations, quantized logits, weights with room.

    Activation quantizers keep their grids and round half up; a binary, ternary, sigmoid or sloped
    one becomes a few layers; results that nothing rounds get 8-bit quantizers, logits the one that
    moves the softmax least; weights of more than 31 steps (the asymmetric minimum of 6-bit
    ``quantized_bits``, 7 and 8 bits, wide powers of two) are clipped or rounded to 6 bits; a batch
    norm behind a layer is folded into it; a separable convolution becomes two. Every change is
    reported.

    Args:
        model: a built Sequential or Functional model of QKeras or HGQ2 layers; for QKeras 0.9 and
            Keras 2 see ``load_legacy``.
        inputs: what ``model.predict`` takes. Ranges of what nothing quantizes come from it, and
            labels are compared on it. Without it, random inputs of the input's grid stand in, which
            the report says.
        input_grid: what the inputs hold, see ``quantize``.

    Raises:
        ValueError: a layer or quantizer that has no exact form, by its name and with the reason.
    """
    changes: list[str] = []
    data = None if inputs is None else calibration_data(model, inputs)
    simple = prepared(model, changes)
    grids = input_grids(simple, input_grid, data)
    if data is None:
        data = _drawn(simple, grids)
        changes.append("ranges come from random inputs: none were given")
    adoption = _Adoption(simple, data, grids, changes)
    adopted = adoption.run()
    check_exports(adopted, what="adopted model", otherwise="")
    return Adopted(adopted, tuple(changes), len(data[0]), _changed(model, adopted, data))


def _drawn(model: Any, grids: Sequence[Grid | None]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        (grid or Grid.pixels())
        .dequantize(
            rng.integers(
                (grid or Grid.pixels()).minimum,
                (grid or Grid.pixels()).maximum + 1,
                (_DRAWN, *tensor.shape[1:]),
            )
        )
        .astype(np.float32)
        for tensor, grid in zip(FloatGraph(model).graph.inputs, grids, strict=True)
    ]


def _changed(model: Any, adopted: Any, data: list[Any]) -> int | None:
    outputs = [outputs_of(logits_model(m), data) for m in (model, adopted)]
    if len(outputs[0]) != 1 or outputs[0][0].ndim != 2 or outputs[0][0].shape[1] < 2:
        return None
    before, after = (np.asarray(o[0]).argmax(axis=-1) for o in outputs)
    return int(np.count_nonzero(before != after))


class _Adoption:
    """One model on its way through ``adopt``."""

    def __init__(
        self, model: Any, data: list[Any], grids: Sequence[Grid | None], changes: list[str]
    ) -> None:
        self.graph = FloatGraph(model)
        self.grids = grids
        self.changes = changes
        self.copies: dict[int, Any] = {}
        self.forms: dict[int, Form] = {}
        self.fill: list[Callable[[], None]] = []
        self.names = Names(node.operation.name for node in self.graph.nodes)
        tensors = {id(t): t for node in self.graph.nodes for t in node.output_tensors}
        tensors |= {id(t): t for t in self.graph.graph.inputs}
        self.examples = len(data[0])
        self.observed = observe(model, list(tensors.values()), data)

    def run(self) -> Any:
        graph = self.graph.graph
        inputs = [keras.Input(t.shape[1:], dtype=t.dtype, name=t.name) for t in graph.inputs]
        values = {}
        for tensor, x, grid in zip(graph.inputs, inputs, self.grids, strict=True):
            values[id(tensor)] = x if grid is None else self._stated(x, grid)
        for node in self.graph.nodes:
            if len(node.output_tensors) != 1:
                raise ValueError(
                    f"Layer '{node.operation.name}' has several outputs, which adopt does not know."
                )
            y = self._adopted(node, [values[id(t)] for t in node.input_tensors])
            values[id(node.output_tensors[0])] = y
        outputs = [values[id(t)] for t in graph.outputs]
        adopted = packed_model(graph, inputs, outputs, self.graph.model.name)
        for copy in self.fill:
            copy()
        return adopted

    def _stated(self, x: Any, grid: Grid) -> Any:
        unsigned = grid.is_unsigned
        kind = QuantizedRelu if unsigned else QuantizedBits
        quantizer = kind(8, grid.exponent + (8 if unsigned else 7))
        if quantizer.grid() != grid:
            raise ValueError(f"input_grid: {grid} is no grid of 8 bits from 0 or around 0.")
        self.changes.append(f"input '{x.name}' is rounded by {quantizer}")
        return qkeras.QActivation(quantizer, name=self.names.free(f"{x.name}_quantizer"))(x)

    def _adopted(self, node: Any, inputs: Sequence[Any]) -> Any:
        layer, output = node.operation, node.output_tensors[0]
        norm = self._norm_of(node)
        if id(layer) in self.copies and self.copies[id(layer)] is None:
            return inputs[0]  # a batch norm that has gone into the layer before it
        if id(layer) not in self.copies:
            self.copies[id(layer)] = self._copied(layer, output, norm)
        y = self.copies[id(layer)](inputs if len(inputs) > 1 else inputs[0])
        if id(layer) in self.forms:
            return self._formed(y, self.forms[id(layer)])
        if norm is not None:
            self.copies[id(norm)] = None
            output = self.graph.only_reader(output).output_tensors[0]
        if self._needs_quantizer(node, output):
            y = self._rounded(y, output)
        return y

    def _norm_of(self, node: Any) -> Any:
        """The batch norm to be folded into a layer that is used once."""
        layer = node.operation
        if not _is_weighted(layer) or hasattr(layer, "gamma"):
            return None
        plain = function_name(layer.activation) == "linear"
        reader = self.graph.only_reader(node.output_tensors[0])
        if not plain or reader is None or len(self.graph.uses(layer)) > 1:
            return None
        return reader.operation if _is_norm(reader.operation) else None

    def _copied(self, layer: Any, output: Any, norm: Any) -> Any:
        kind = type(layer).__name__
        if kind in INSTEAD:
            raise ValueError(
                f"Layer '{layer.name}' ({kind}) is not adopted, it has no exact kernel: "
                f"{INSTEAD[kind]}."
            )
        if norm is not None:
            self.changes.append(f"'{norm.name}' is folded into '{layer.name}', of 6 bits then")
            return folded_with(layer, norm, self.fill)
        copy = copied(layer, self.fill)
        weighted = _is_weighted(layer)
        if weighted:
            seen = self._seen(layer)
            self.fill.append(lambda: self.changes.extend(adopted_weights(copy, seen)))
        activation = getattr(layer, "activation", None)
        if is_quantizer(activation):
            form = adopted_activation(activation, layer.name)
            if form.said is not None:
                self.changes.append(form.said)
            if form.layers is None:
                copy.activation = form.quantizer
            else:
                self.forms[id(layer)] = form
                copy = keras.activations.linear if not weighted else copy
                copy.activation = keras.activations.linear
        elif function_name(activation) == "relu" and not self._meets_quantizer(output):
            copy.activation = self._wide(output, signed=False)
            self.changes.append(f"'{layer.name}': its ReLU is rounded by {copy.activation}")
        return copy

    def _seen(self, layer: Any) -> Any:
        """What a dense layer reads on the data, a row an example; None where it is not known."""
        uses = self.graph.uses(layer)
        if not hasattr(layer, "units") or len(uses) != 1:
            return None
        source = uses[0].input_tensors[0]
        return self._rows(source) if len(source.shape) == 2 else None

    def _rows(self, tensor: Any) -> Any:
        values = self.observed[id(tensor)]
        whole = len(values) == self.examples * int(tensor.shape[-1])
        return values.reshape(self.examples, -1) if whole else None

    def _needs_quantizer(self, node: Any, output: Any) -> bool:
        layer = node.operation
        copy = self.copies.get(id(layer))
        if is_quantizer(getattr(copy, "activation", None)) or is_final(layer):
            return False
        makes = _is_weighted(layer) or isinstance(
            layer, _L.Add | _L.AveragePooling2D | _L.GlobalAveragePooling2D | _L.AveragePooling1D
        )
        makes = makes or (isinstance(layer, _L.Rescaling) and not is_grid_scaling(layer))
        relu = isinstance(layer, _L.ReLU) or function_name(getattr(layer, "activation", 0)) in (
            "relu",
            "relu6",
        )
        return (makes or relu) and not self._meets_quantizer(output)

    def _meets_quantizer(self, tensor: Any) -> bool:
        """Whether every road from a tensor leads to an activation quantizer first."""
        readers = self.graph.readers(tensor)
        if not readers or id(tensor) in self.graph.final:
            return False
        return all(self._rounds(node) for node in readers)

    def _rounds(self, node: Any) -> bool:
        layer = node.operation
        if _is_weighted(layer):
            return False
        activation = getattr(layer, "activation", None)
        if is_quantizer(activation):
            before = self.graph.writer(node.input_tensors[0])
            simple = adopted_activation(activation, layer.name).layers is None
            return simple or (before is not None and _is_weighted(before.operation))
        relu = isinstance(layer, _L.ReLU | _L.Activation) and not is_final(layer)
        passes = moves(layer) or relu or isinstance(layer, _L.Rescaling) or _is_norm(layer)
        return passes and self._meets_quantizer(node.output_tensors[0])

    def _rounded(self, y: Any, output: Any) -> Any:
        quantizer = self._wide(output, signed=bool(self.observed[id(output)].min() < 0))
        name = call_of(y)[0].operation.name
        self.changes.append(f"'{name}': its output, which nothing rounds, by {quantizer}")
        return qkeras.QActivation(quantizer, name=self.names.free(f"{name}_quantizer"))(y)

    def _formed(self, y: Any, form: Form) -> Any:
        if form.layers is None:
            return y
        return form.layers(y, self.names.free)

    def _wide(self, output: Any, *, signed: bool) -> Any:
        integer = integer_bits(self.observed[id(output)], _WIDE_BITS, signed=signed)
        last = id(output) in self.graph.final or any(
            is_final(node.operation) for node in self.graph.readers(output)
        )
        if signed and last and len(output.shape) == 2 and output.shape[1] > 1:
            logits = self._rows(output)
            integer = integer if logits is None else logits_bits(logits, _WIDE_BITS)
        return (QuantizedBits if signed else QuantizedRelu)(_WIDE_BITS, integer)


def _is_weighted(layer: Any) -> bool:
    return any(hasattr(layer, name) for name in _WEIGHTED)


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, _L.BatchNormalization)
