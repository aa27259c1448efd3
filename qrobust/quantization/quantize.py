"""``quantize``: a float Sequential or Functional model's twin that exports bit for bit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import qkeras

from qrobust.layers import (
    Consistency,
    IntegerGlobalAveragePooling2D,
    JacobianRegularized,
    Macer,
    SmoothAdversarial,
)
from qrobust.layers.folded_batch_norm import FoldedBatchNorm
from qrobust.layers.input_noise import INPUT_NOISES
from qrobust.quantization.bit_widths import BitsByName, BitWidths
from qrobust.quantization.ranges import integer_bits, observe, predict
from qrobust.quantization.twins import (
    copy_linear,
    is_linear,
    linear_twin,
    relu_quantizer,
)
from qrobust.quantization.units import find_units, inner_layer
from qrobust.quantizers import QuantizedBits, QuantizedRelu
from tflite_export.lower.walk import functional, is_model, nodes

_L = keras.layers
_AVERAGES = (_L.AveragePooling2D, _L.GlobalAveragePooling2D)
# Layers that move or pick values and so pass a quantizer's grid on, or wait for it.
_MOVERS = (
    _L.MaxPooling2D,
    _L.GlobalMaxPooling2D,
    _L.Flatten,
    _L.Reshape,
    _L.ZeroPadding2D,
    _L.Dropout,
    _L.SpatialDropout2D,
    _L.GaussianNoise,
    _L.GaussianDropout,
    _L.Identity,
)
# Wrappers around a whole model; one of the Jacobian's may also be around a layer.
_WRAPPERS = (JacobianRegularized, Consistency, SmoothAdversarial, Macer)
_RELUS = (keras.activations.relu, keras.activations.relu6)
_KEPT = (*_MOVERS, _L.Rescaling, *INPUT_NOISES)
# Wide intermediate results (branches, averages, logits) cost nothing in 8 bits.
_WIDE_BITS = 8
_RELU_INTEGER, _WIDE_INTEGER, _LOGITS_INTEGER = 2, 3, 4


def quantize(
    model: Any,
    weight_bits: BitsByName = 4,
    activation_bits: BitsByName = 4,
    *,
    weight_scale: str = "least_squares",
    calibrate: Any = None,
    seed: int | None = None,
) -> Any:
    """The quantized twin of a float model, with its weights, ready to train further.

    Convolutions and dense layers become QKeras layers on per-channel power-of-two grids; one with
    a batch norm right behind it becomes one folded layer. A ReLU becomes ``QuantizedRelu``. Where a
    result would reach another layer without a ReLU (before an Add, after an average, the logits),
    an 8-bit ``QuantizedBits`` is put in. Layer names stay.

    Mixed precision: instead of a number, ``{pattern: bits, ...}`` by layer name, for instance
    ``{"stem_*": 8, "logits": 8, "*": 4}``; the first pattern that matches counts. For activations
    the name is that of the layer that holds the ReLU.

    Args:
        model: a built Sequential or Functional model.
        weight_bits: 2 to 6 for an exact export (7 and 8 train, too), "binary", "ternary" or
            "stochastic_ternary"; or by layer name.
        activation_bits: of ReLU outputs, 1 to 8; or by layer name.
        weight_scale: "least_squares" or "max", see ``PowerOfTwoWeights``.
        calibrate: what ``model.predict`` takes: activation ranges come from its first 512 examples.
            Without it: ReLU outputs in [0, 4), others in [-8, 8), logits in [-16, 16), which suits
            networks with batch norm.
        seed: of stochastic weights; every layer draws its own from it.

    Returns:
        A Functional model, not compiled.

    Raises:
        ValueError: a layer or activation that has no quantized twin, bits that a layer cannot
            take, a layer that matches no pattern or a pattern that matches no layer.
    """
    options = _Options(
        BitWidths(weight_bits, "weight_bits"),
        BitWidths(activation_bits, "activation_bits"),
        weight_scale,
        seed,
    )
    twin = _Quantization(model, options, calibrate).run()
    options.weight_bits.check()
    options.activation_bits.check()
    return twin


@dataclass
class _Options:
    """What ``quantize`` was asked for; nested models share it."""

    weight_bits: BitWidths
    activation_bits: BitWidths
    weight_scale: str
    seed: int | None

    def next_seed(self) -> int | None:
        """Another seed for every layer."""
        if self.seed is None:
            return None
        self.seed += 1
        return self.seed - 1


class _Quantization:
    """One model on its way through ``quantize``."""

    def __init__(self, model: Any, options: _Options, calibrate: Any = None) -> None:
        self.model = model
        self.graph = functional(model)
        self.nodes = nodes(model)
        self.options = options
        self.calibrate = calibrate
        self.readers: dict[int, list[Any]] = {}
        for node in self.nodes:
            for tensor in node.input_tensors:
                self.readers.setdefault(id(tensor), []).append(node)
        self.final = {id(t) for t in self.graph.outputs}
        units = find_units(model, shared=True)
        self.folded = {id(unit.linear): unit.norm for unit in units if unit.norm is not None}
        self.observed = self._observe()
        self.twins: dict[int, Any] = {}

    def run(self) -> Any:
        inputs = [keras.Input(t.shape[1:], dtype=t.dtype, name=t.name) for t in self.graph.inputs]
        values = {id(t): x for t, x in zip(self.graph.inputs, inputs, strict=True)}
        for node in self.nodes:
            (output,) = node.output_tensors
            arguments = [values[id(t)] for t in node.input_tensors]
            values[id(output)] = self._convert(node, arguments)
        outputs = [values[id(t)] for t in self.graph.outputs]
        # One tensor in, one out: a model of lists would give lists to the layer that reads it.
        twin = keras.Model(_only(inputs), _only(outputs), name=self.model.name)
        self._copy_weights()
        return twin

    def _convert(self, node: Any, inputs: Sequence[Any]) -> Any:
        layer, (output,) = node.operation, node.output_tensors
        x = inputs[0]
        if isinstance(layer, JacobianRegularized) and not layer.wraps_model:
            return self._linear(layer.layer, output, x, wrapper=layer)
        if is_linear(layer):
            return self._linear(layer, output, x, wrapper=None)
        if layer in self.folded.values():
            return x
        if is_model(layer) or isinstance(layer, _WRAPPERS):
            return self._nested(layer, node.input_tensors)(_only(list(inputs)))
        if isinstance(layer, _L.BatchNormalization):
            raise ValueError(
                f"Batch norm '{layer.name}' does not directly follow a linear Dense, Conv2D or "
                f"DepthwiseConv2D layer that nothing else reads, each time that either runs, so it "
                f"cannot be folded."
            )
        if isinstance(layer, (_L.Add, *_AVERAGES)):
            return self._rounded(self._exact(layer)(inputs if len(inputs) > 1 else x), output)
        if isinstance(layer, _L.Activation | _L.ReLU):
            return self._activation(layer, output, x)
        if isinstance(layer, (_L.Softmax, *_KEPT)):
            return self._copy(layer)(x)
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) has no quantized twin. Layers that "
            f"have: Dense, Conv2D, DepthwiseConv2D, BatchNormalization, ReLU, Activation, Add, "
            f"average pooling, {', '.join(kind.__name__ for kind in _KEPT)}."
        )

    def _nested(self, layer: Any, inputs: Sequence[Any]) -> Any:
        """A model inside the model, wrapped or not, as a quantized model of its own."""
        if id(layer) not in self.twins:
            if isinstance(layer, _WRAPPERS):
                twin = _rewrapped(layer, self._nested(layer.layer, inputs))
            else:
                seen = self.calibrate
                if seen is not None:
                    seen = _only(predict(self.graph, inputs, seen))
                twin = _Quantization(layer, self.options, seen).run()
            self.twins[id(layer)] = (layer, None, twin)
        return self.twins[id(layer)][2]

    def _linear(self, layer: Any, output: Any, x: Any, *, wrapper: Any) -> Any:
        activation = layer.activation
        softmax = activation is keras.activations.softmax
        quantizer = None
        if activation is keras.activations.relu:
            quantizer = self._relu_quantizer(layer.name, output)
        elif not softmax and activation is not keras.activations.linear:
            raise ValueError(_no_twin(layer.name, activation))
        norm = self.folded.get(id(layer))
        own = layer if isinstance(layer, FoldedBatchNorm) else norm
        if id(layer) not in self.twins:
            self.twins[id(layer)] = (layer, own, self._linear_twin(layer, own, quantizer))
        twin = self.twins[id(layer)][2]
        if wrapper is not None:
            twin = _rewrapped(wrapper, twin)
        y = twin(x)
        if softmax:
            y = self._wide(y, output)
            return _L.Activation("softmax", name=f"{layer.name}_softmax")(y)
        return y if quantizer is not None else self._rounded(y, output, norm)

    def _linear_twin(self, layer: Any, norm: Any, quantizer: Any) -> Any:
        bits = self.options.weight_bits.needed(layer.name)
        scale, seed = self.options.weight_scale, self.options.next_seed()
        with _named(layer.name):
            return linear_twin(
                layer, norm, quantizer, weight_bits=bits, weight_scale=scale, seed=seed
            )

    def _activation(self, layer: Any, output: Any, x: Any) -> Any:
        if isinstance(layer, _L.ReLU):
            if layer.negative_slope or layer.threshold:
                raise ValueError(_no_twin(layer.name, "a ReLU with negative_slope or threshold"))
        elif layer.activation is keras.activations.softmax:
            return self._copy(layer)(x)
        elif layer.activation is keras.activations.linear:
            return x
        elif layer.activation not in _RELUS:
            raise ValueError(_no_twin(layer.name, layer.activation))
        return qkeras.QActivation(self._relu_quantizer(layer.name, output), name=layer.name)(x)

    def _rounded(self, y: Any, output: Any, norm: Any = None) -> Any:
        """Put in a quantizer unless a ReLU further on brings one."""
        tensor = output if norm is None else self.readers[id(output)][0].output_tensors[0]
        if self._meets_relu(tensor):
            return y
        return self._wide(y, tensor)

    def _wide(self, y: Any, tensor: Any) -> Any:
        values = self.observed.get(id(tensor))
        signed = not self._never_negative(tensor)
        if values is not None:
            integer = integer_bits(values, _WIDE_BITS, signed=signed)
        elif self._is_last(tensor):
            integer = _LOGITS_INTEGER
        else:
            integer = _WIDE_INTEGER if signed else _RELU_INTEGER
        quantizer = QuantizedBits if signed else QuantizedRelu
        name = f"{y._keras_history.operation.name}_quantizer"
        return qkeras.QActivation(quantizer(_WIDE_BITS, integer), name=name)(y)

    def _relu_quantizer(self, name: str, tensor: Any) -> QuantizedRelu:
        bits = self.options.activation_bits.needed(name)
        values = self.observed.get(id(tensor))
        integer = _RELU_INTEGER
        if values is not None:
            with _named(name):
                integer = integer_bits(values, relu_quantizer(bits, 0).bits, signed=False)
        with _named(name):
            return relu_quantizer(bits, integer)

    def _exact(self, layer: Any) -> Any:
        """The layer, or the one whose average is exact in integers."""
        if isinstance(layer, _L.GlobalAveragePooling2D):
            height, width = layer._inbound_nodes[-1].input_tensors[0].shape[1:3]
            if (height * width) & (height * width - 1):
                return IntegerGlobalAveragePooling2D(keepdims=layer.keepdims, name=layer.name)
        return self._copy(layer)

    def _copy(self, layer: Any) -> Any:
        if id(layer) not in self.twins:
            self.twins[id(layer)] = (layer, None, type(layer).from_config(layer.get_config()))
        return self.twins[id(layer)][2]

    def _copy_weights(self) -> None:
        for layer, norm, twin in self.twins.values():
            if is_linear(layer):
                copy_linear(layer, norm, twin)
            elif layer.weights and not is_model(_inner_model(layer)):
                twin.set_weights(layer.get_weights())

    def _meets_relu(self, tensor: Any) -> bool:
        """Whether every road from a tensor leads through a ReLU before it leads anywhere else."""
        readers = self.readers.get(id(tensor), [])
        if not readers or id(tensor) in self.final:
            return False
        return all(
            _is_relu(node.operation)
            or (_moves(node.operation) and self._meets_relu(node.output_tensors[0]))
            for node in readers
        )

    def _never_negative(self, tensor: Any) -> bool:
        """Whether a tensor is a ReLU's, moved or averaged."""
        node = tensor._keras_history.operation._inbound_nodes[tensor._keras_history.node_index]
        layer = inner_layer(node.operation)
        if _is_relu(layer) or getattr(layer, "activation", None) is keras.activations.relu:
            return True
        passes = _moves(layer) or isinstance(layer, _AVERAGES)
        return passes and self._never_negative(node.input_tensors[0])

    def _is_last(self, tensor: Any) -> bool:
        readers = self.readers.get(id(tensor), [])
        return id(tensor) in self.final or any(_is_softmax(n.operation) for n in readers)

    def _observe(self) -> dict[int, Any]:
        if self.calibrate is None:
            return {}
        wanted = [
            node.output_tensors[0]
            for node in self.nodes
            if not isinstance(node.operation, _KEPT) and not _is_softmax(node.operation)
        ]
        return observe(self.graph, wanted, self.calibrate)


@contextmanager
def _named(layer: str) -> Iterator[None]:
    """Say which layer cannot take its bits."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Layer '{layer}': {error}") from None


def _only(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _inner_model(layer: Any) -> Any:
    return _inner_model(layer.layer) if isinstance(layer, _WRAPPERS) else layer


def _rewrapped(wrapper: Any, layer: Any) -> Any:
    """The same wrapper around another layer, its weight that of now."""
    config = {key: value for key, value in wrapper.get_config().items() if key != "layer"}
    if "weight" in config:
        config["weight"] = wrapper.weight
    return type(wrapper)(layer, **config)


def _is_relu(layer: Any) -> bool:
    if isinstance(layer, _L.ReLU):
        return True
    return isinstance(layer, _L.Activation) and layer.activation in _RELUS


def _moves(layer: Any) -> bool:
    """Whether a layer passes values on as they are."""
    linear = isinstance(layer, _L.Activation) and layer.activation is keras.activations.linear
    return linear or isinstance(layer, _MOVERS)


def _is_softmax(layer: Any) -> bool:
    return (
        isinstance(layer, _L.Softmax)
        or getattr(layer, "activation", None) is keras.activations.softmax
    )


def _no_twin(name: str, activation: Any) -> str:
    return (
        f"Layer '{name}': {activation} has no exact integer form. Use relu, relu6 or linear, or a "
        f"softmax at the end."
    )
