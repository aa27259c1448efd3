"""One float model on its way to its quantized twin."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.layers.folded_batch_norm import FoldedBatchNorm
from qrobust.quantization.choices import WIDE_BITS, Choices
from qrobust.quantization.equal_steps import equal_steps
from qrobust.quantization.graph import (
    WRAPPERS,
    FloatGraph,
    inner_layer,
    inner_model,
    is_nested,
    only,
    packed_model,
    rewrapped,
)
from qrobust.quantization.kinds import (
    AVERAGES,
    KEPT,
    is_relu,
    is_softmax,
    no_twin,
    upper_clip,
)
from qrobust.quantization.names import Names
from qrobust.quantization.options import Options, named
from qrobust.quantization.ranges import observe, predict
from qrobust.quantization.reach import Range, Reach, range_of, union
from qrobust.quantization.roads import Roads
from qrobust.quantization.simplify import simplify
from qrobust.quantization.stated import exact_average, stated
from qrobust.quantization.sums import sum_exponent
from qrobust.quantization.tables import is_tabulated, quantizer_on
from qrobust.quantization.twins import (
    bias_quantizer,
    copy_linear,
    is_linear,
    linear_twin,
)
from qrobust.quantizers import QuantizedBits, QuantizedRelu, Tabulated
from tflite_export.grid import Grid
from tflite_export.keras_private import call_of
from tflite_export.lower.functions import PROBABILITIES, function_name

_L = keras.layers


class Conversion:
    """A model, simplified, observed and converted layer by layer.

    Args:
        model: the float model.
        options: bits.
        data: calibration data, one array per input, or None.
        grids: per input the grid that a quantizer states, or None; or the grids that an outer
            model's tensors are on, with ``inside``.
        inside: of a model inside another, whose inputs are quantized already: what they hold over
            all its calls, as far as it is known.
    """

    def __init__(
        self,
        model: Any,
        options: Options,
        data: list[Any] | None,
        grids: Sequence[Grid | None],
        *,
        inside: Sequence[Range | None] | None = None,
    ) -> None:
        self.float = FloatGraph(simplify(model))
        self.options = options
        self.data = data
        self.given = grids
        self.inside = inside is not None
        operations = [node.operation for node in self.float.nodes]
        self.norms = {id(layer): self.float.norm_of(layer) for layer in operations}
        self.folded = {id(norm) for norm in self.norms.values() if norm is not None}
        self.roads = Roads(self.float, self.folded)
        self.observed = self._observe()
        held = inside or [range_of(grid or Grid.pixels()) for grid in grids]
        self.reach = Reach(self.float, held)
        known = (self.roads, self.observed, options, self.reach)
        steps = equal_steps(self.float, *known) if options.equal_steps else {}
        self.choices = Choices(*known, steps)
        self.twins: dict[int, Any] = {}
        self.wrappers: dict[int, Any] = {}
        self.grids: dict[int, Grid | None] = {}  # of the twin's tensors; None: not rounded yet
        self.names = Names(layer.name for layer in operations)
        self.output_grids: list[Grid | None] = []

    def run(self) -> Any:
        """The twin, with its weights."""
        graph = self.float.graph
        inputs = [keras.Input(t.shape[1:], dtype=t.dtype, name=t.name) for t in graph.inputs]
        values = {}
        for tensor, x, given in zip(graph.inputs, inputs, self.given, strict=True):
            grid = given
            if grid is None and not self.inside and self.roads.needs_grid(tensor):
                grid = Grid.pixels()
            values[id(tensor)] = (
                x
                if self.inside or grid is None
                else stated(x, grid, self.names.free(f"{x.name}_quantizer"))
            )
            self.grids[id(values[id(tensor)])] = grid or Grid.pixels()
        for node in self.float.nodes:
            arguments = [values[id(t)] for t in node.input_tensors]
            outputs = self._convert(node, arguments)
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            values.update({id(t): y for t, y in zip(node.output_tensors, outputs, strict=True)})
        outputs = [values[id(t)] for t in graph.outputs]
        self.output_grids = [self.grids.get(id(t)) for t in outputs]
        twin = packed_model(graph, inputs, outputs, self.float.model.name)
        self._copy_weights()
        return twin

    def _convert(self, node: Any, inputs: Sequence[Any]) -> Any:
        layer, output, x = node.operation, node.output_tensors[0], inputs[0]
        if is_linear(inner_layer(layer)):
            return self._linear(node, x)
        if id(layer) in self.folded:
            return self._passed(x, x)
        if is_nested(layer):
            return self._nested(node, inputs)
        if isinstance(layer, _L.Add):
            return self._sum(layer, output, inputs)
        if isinstance(layer, _L.Concatenate | _L.Maximum | _L.Minimum):
            return self._joined(layer, output, inputs)
        if isinstance(layer, AVERAGES):
            return self._rounded((exact_average(layer, node) or self._copy(layer))(x), output)
        if is_tabulated(layer):
            return self._tabulated(node, x)
        if isinstance(layer, _L.Activation | _L.ReLU):
            return self._activation(layer, output, x)
        if is_softmax(layer):
            return self._softmax(layer, output, x)
        if isinstance(layer, KEPT):
            y = self._copy(layer)(x)
            grid = self.grids.get(id(x))
            if isinstance(layer, _L.Rescaling) and grid is not None:
                grid = grid.scaled(int(np.log2(np.float64(layer.scale))))
            self.grids[id(y)] = grid
            return y
        raise ValueError(no_twin(layer))

    def _passed(self, y: Any, x: Any) -> Any:
        self.grids[id(y)] = self.grids.get(id(x))
        return y

    def _nested(self, node: Any, inputs: Sequence[Any]) -> Any:
        """A model inside the model, wrapped or not, as a quantized model of its own."""
        layer, model = node.operation, inner_model(node.operation)
        if id(model) not in self.twins:
            seen, count = None, len(node.input_tensors)
            uses = [n for n in self.float.nodes if inner_model(n.operation) is model]
            read = [t for use in uses for t in use.input_tensors]
            if self.data is not None:
                values = predict(self.float.model, read, self.data)
                seen = [np.concatenate(values[i::count]) for i in range(count)]
            held = [union([self.reach.of(t) for t in read[i::count]]) for i in range(count)]
            grids = [self.grids.get(id(x)) for x in inputs]
            conversion = Conversion(model, self.options, seen, grids, inside=held)
            self.twins[id(model)] = (model, None, (conversion.run(), conversion))
        twin, conversion = self.twins[id(model)][2]
        outputs = self._wrapped(layer, twin)(only(inputs))
        flat = keras.tree.flatten(outputs)
        self.grids.update(
            {id(y): grid for y, grid in zip(flat, conversion.output_grids, strict=True)}
        )
        return flat

    def _wrapped(self, layer: Any, twin: Any) -> Any:
        if not isinstance(layer, WRAPPERS):
            return twin
        if id(layer) not in self.wrappers:
            self.wrappers[id(layer)] = rewrapped(layer, self._wrapped(layer.layer, twin))
        return self.wrappers[id(layer)]

    def _linear(self, node: Any, x: Any) -> Any:
        layer, output = node.operation, node.output_tensors[0]
        kernel = inner_layer(layer)
        activation = function_name(kernel.activation)
        norm = self.norms[id(layer)]
        tensor = output if norm is None else self.float.only_reader(output).output_tensors[0]
        quantizer = None
        if activation == "relu":
            outputs = [use.output_tensors[0] for use in self.float.uses(layer)]
            quantizer = self.choices.relu(kernel.name, outputs, None)
        elif activation not in (*PROBABILITIES, "linear"):
            raise ValueError(no_twin(kernel, kernel.activation))
        own = kernel if isinstance(kernel, FoldedBatchNorm) else norm
        if id(kernel) not in self.twins:
            tensors = [use.output_tensors[0] for use in self.float.uses(layer)]
            if norm is not None:
                tensors = [self.float.only_reader(t).output_tensors[0] for t in tensors]
            read = [use.input_tensors[0] for use in self.float.uses(layer)]
            twin = self._linear_twin(kernel, own, quantizer, tensors, read)
            self.twins[id(kernel)] = (kernel, own, twin)
        y = self._wrapped(layer, self.twins[id(kernel)][2])(x)
        if activation in PROBABILITIES:
            y = self._quantized(y, self.choices.wide(output))
            name = self.names.free(f"{kernel.name}_{activation}")
            return _L.Activation(activation, name=name)(y)
        if quantizer is not None:
            self.grids[id(y)] = quantizer.grid()
            return y
        return self._rounded(y, tensor)

    def _linear_twin(
        self, layer: Any, norm: Any, quantizer: Any, outputs: Sequence[Any], read: Sequence[Any]
    ) -> Any:
        bits = self.options.weight_bits.needed(layer.name)
        values = [self.observed.get(id(t)) for t in outputs]
        sources = [self.observed.get(id(t)) for t in read]
        with named(layer.name):
            return linear_twin(
                layer,
                norm,
                quantizer,
                weight_bits=bits,
                weight_scale=self.options.weight_scale,
                seed=self.options.next_seed(),
                bias=bias_quantizer(layer, values, sources),
            )

    def _activation(self, layer: Any, output: Any, x: Any) -> Any:
        if isinstance(layer, _L.Activation):
            name = function_name(layer.activation)
            if name in PROBABILITIES:
                return self._softmax(layer, output, x)
            if name == "linear":
                return x
        if not is_relu(layer):
            raise ValueError(no_twin(layer, getattr(layer, "activation", None)))
        upper = upper_clip(layer)
        quantizer = self.choices.relu(layer.name, [output], upper)
        y = qkeras.QActivation(quantizer, name=self.names.own(layer.name))(x)
        self.grids[id(y)] = quantizer.grid()
        return y

    def _tabulated(self, node: Any, x: Any) -> Any:
        layer, output = node.operation, node.output_tensors[0]
        known = self.grids.get(id(x))
        source = None if known is None else quantizer_on(known)
        quantizer = Tabulated(
            layer.activation,
            source or self.choices.wide(node.input_tensors[0]),
            self.choices.table(layer, output),
        )
        y = qkeras.QActivation(quantizer, name=self.names.own(layer.name))(x)
        self.grids[id(y)] = quantizer.grid()
        return y

    def _softmax(self, layer: Any, output: Any, x: Any) -> Any:
        if self.float.readers(output):
            raise ValueError(
                f"Layer '{layer.name}': a softmax or sigmoid that another layer reads is exact on "
                f"no device. Only a final one has a twin (the export leaves it out)."
            )
        return self._copy(layer)(x)

    def _sum(self, layer: Any, output: Any, inputs: Sequence[Any]) -> Any:
        """A sum whose branches lie on steps that every runtime adds alike."""
        relu = self.roads.meet_relu(output)
        unsigned = relu or self.roads.never_negative(output)
        grids = [self.grids[id(x)] or Grid.pixels() for x in inputs]
        quantizer = None if relu else self.choices.wide(output)
        exponent = None if quantizer is None else quantizer.grid().exponent
        wanted = sum_exponent([g.exponent for g in grids], exponent, unsigned=unsigned)
        if wanted is not None and quantizer is not None and wanted != exponent:
            quantizer = type(quantizer)(WIDE_BITS, quantizer.integer + wanted - (exponent or 0))
        if wanted is not None and not unsigned:
            inputs = [self._coarser(x, g, wanted) for x, g in zip(inputs, grids, strict=True)]
        y = self._copy(layer)(inputs)
        if quantizer is None:
            self.grids[id(y)] = None
            return y
        return self._quantized(y, quantizer)

    def _coarser(self, x: Any, grid: Grid, exponent: int) -> Any:
        """A branch on steps of ``2**exponent`` at least."""
        if grid.exponent >= exponent:
            return x
        kind = QuantizedRelu if grid.is_unsigned else QuantizedBits
        integer = exponent + WIDE_BITS - (0 if grid.is_unsigned else 1)
        return self._quantized(x, kind(WIDE_BITS, integer))

    def _joined(self, layer: Any, output: Any, inputs: Sequence[Any]) -> Any:
        """Branches side by side, on one grid."""
        grids = [self.grids[id(x)] for x in inputs]
        y = self._copy(layer)(list(inputs))
        if None not in grids and len(set(grids)) == 1:
            self.grids[id(y)] = grids[0]
            return y
        return self._rounded(y, output)

    def _rounded(self, y: Any, tensor: Any) -> Any:
        """Put in a quantizer unless a ReLU or a table further on brings one."""
        if self.roads.meet_quantizer(tensor):
            self.grids[id(y)] = None
            return y
        return self._quantized(y, self.choices.wide(tensor))

    def _quantized(self, y: Any, quantizer: Any) -> Any:
        name = self.names.free(f"{call_of(y)[0].operation.name}_quantizer")
        z = qkeras.QActivation(quantizer, name=name)(y)
        self.grids[id(z)] = quantizer.grid()
        return z

    def _copy(self, layer: Any) -> Any:
        if id(layer) not in self.twins:
            self.twins[id(layer)] = (layer, None, type(layer).from_config(layer.get_config()))
        return self.twins[id(layer)][2]

    def _copy_weights(self) -> None:
        for layer, norm, twin in self.twins.values():
            if is_linear(layer):
                copy_linear(layer, norm, twin)
            elif not is_nested(layer) and layer.weights:
                twin.set_weights(layer.get_weights())

    def _observe(self) -> dict[int, Any]:
        if self.data is None:
            return {}
        wanted = {
            id(t): t
            for node in self.float.nodes
            for t in (*node.input_tensors, *node.output_tensors)
            if not is_softmax(node.operation)
        }
        return observe(self.float.model, list(wanted.values()), self.data)
