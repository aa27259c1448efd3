"""A float model rewritten into fewer kinds of layers that compute the same.

What ``quantize`` knows then is linear layers, norms right behind them, ReLUs, sums of two, joins,
averages of a power of two and layers that move values. A separable convolution becomes its two
halves; a normalization goes into the linear layer behind or before it, or becomes a 1 x 1 depthwise
convolution where padding or several readers forbid that.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import keras

from qrobust.quantization.affine import (
    Affine,
    affine_of,
    copy_of,
    is_grid_scaling,
    is_plain_linear,
    takes,
    with_affine_before,
    with_affine_behind,
)
from qrobust.quantization.averages import AVERAGES, average_kernel
from qrobust.quantization.calls import arguments, around, first, halves, kept
from qrobust.quantization.graph import (
    FloatGraph,
    inner_layer,
    inner_model,
    is_nested,
    last_axis,
    only,
    packed_model,
    rewrapped,
)
from qrobust.quantization.operators import without_operators
from qrobust.quantization.tables import function_of, tabulated_name
from qrobust.quantization.twins import FOLDED, is_linear
from qrobust.quantizers import OfOneValue
from tflite_export.lower.functions import function_name

_L = keras.layers
_SEPARABLE = (_L.SeparableConv1D, _L.SeparableConv2D)


def simplify(model: Any) -> Any:
    """The same function of fewer kinds of layers; the model itself where nothing is to be done.

    Layers that stay are shared with the model; others are copies. Names stay, on the last layer
    where one becomes several.

    Raises:
        ValueError: a layer that has no simpler form, by its name.
    """
    rewriting = _Rewriting(without_operators(model))
    return rewriting.run()


class _Rewriting:
    """One model on its way through ``simplify``."""

    def __init__(self, model: Any) -> None:
        self.graph = FloatGraph(model)
        self.norms = {id(n) for n in map(self.graph.norm_of, self._operations()) if n is not None}
        self.copies: dict[Any, Any] = {}
        self.names = {layer.name for layer in self._operations()}
        # Affine layers whose work the linear layer behind or before them has taken over.
        self.gone: set[int] = set()
        self.before: dict[int, tuple[Affine, int]] = {}
        self.behind: dict[int, Affine] = {}
        for node in self.graph.nodes:
            self._place(node)

    def _operations(self) -> list[Any]:
        return list({id(n.operation): n.operation for n in self.graph.nodes}.values())

    def run(self) -> Any:
        values = {id(t): t for t in self.graph.graph.inputs}
        for node in self.graph.nodes:
            inputs = [values[id(t)] for t in node.input_tensors]
            outputs = self._special(node, inputs)
            if outputs is None:
                outputs = self._plain(node, inputs)
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            values.update({id(t): v for t, v in zip(node.output_tensors, outputs, strict=True)})
        graph = self.graph.graph
        if all(values[id(t)] is t for t in graph.outputs):
            return self.graph.model
        outputs = [values[id(t)] for t in graph.outputs]
        return packed_model(graph, graph.inputs, outputs, self.graph.model.name)

    def _place(self, node: Any) -> None:
        """Decide where an affine layer goes."""
        layer, source, output = node.operation, node.input_tensors[0], node.output_tensors[0]
        if not isinstance(layer, _L.Rescaling | _L.Normalization | _L.BatchNormalization):
            return
        if isinstance(layer, _L.Rescaling) and is_grid_scaling(layer):
            return
        if isinstance(layer, _L.BatchNormalization):
            if not last_axis(layer, source):
                raise ValueError(
                    f"Layer '{layer.name}' normalizes axis {layer.axis}; channels are the last. "
                    f"Use axis=-1."
                )
            if self._folds_itself(node):
                return
        affine = affine_of(layer, int(source.shape[-1]))
        if affine is None:
            return
        before = self.graph.writer(source)
        if (
            before is not None
            and is_plain_linear(before.operation)
            and len(self.graph.uses(before.operation)) == 1
            and self.graph.only_reader(source) is node
            and id(before) not in self.behind
        ):
            self.behind[id(before)] = affine
            self.gone.add(id(node))
            return
        readers = self._linear_readers(output, affine, 1)
        if readers:
            for reader, spread in readers:
                self.before[id(reader)] = (affine, spread)
            self.gone.add(id(node))

    def _folds_itself(self, node: Any) -> bool:
        """Whether ``quantize`` makes one folded layer of a norm and the layer before it."""
        before = self.graph.writer(node.input_tensors[0])
        if before is None or self.graph.norm_of(before.operation) is not node.operation:
            return False
        return type(inner_layer(before.operation)) in FOLDED

    def _linear_readers(self, tensor: Any, affine: Affine, spread: int) -> list[Any]:
        """The calls that can take an affine into their kernels; none when one of all cannot."""
        readers = self.graph.readers(tensor)
        if not readers or id(tensor) in self.graph.final:
            return []
        found = []
        for reader in readers:
            layer = reader.operation
            if isinstance(layer, _L.Flatten):
                sizes = tensor.shape[1:-1]
                further = self._linear_readers(
                    reader.output_tensors[0], affine, spread * prod(sizes)
                )
                if not further:
                    return []
                found += further
            elif (
                takes(inner_layer(layer), affine, spread)
                and len(self.graph.uses(layer)) == 1
                and id(reader) not in self.before
            ):
                found.append((reader, spread))
            else:
                return []
        return found

    def _plain(self, node: Any, inputs: Sequence[Any]) -> Any:
        """The call as it is, on what its inputs have become."""
        if all(v is t for v, t in zip(inputs, node.input_tensors, strict=True)):
            return node.output_tensors
        return node.operation(*arguments(node, inputs), **kept(node))

    def _special(self, node: Any, inputs: Sequence[Any]) -> Any:
        """What becomes of a call that is rewritten; None where the call stays."""
        layer, x = node.operation, inputs[0]
        if id(node) in self.gone:
            return x
        if id(node) in self.before or id(node) in self.behind:
            return self._with_affine(node)(x)
        inside = inner_layer(layer)
        if isinstance(inside, _SEPARABLE):
            return self._separated(inside, x, bool(self.graph.readers(node.output_tensors[0])))
        if isinstance(layer, _L.Add) and len(inputs) > 2:
            return self._added(layer, inputs)
        read = bool(self.graph.readers(node.output_tensors[0]))
        table = function_of(layer, read=read)
        if table is not None:
            return self._once(id(layer), lambda: _L.Activation(table, name=layer.name))(x)
        if is_linear(inside) and inside is layer:
            return self._linear(layer, x, read)
        if isinstance(layer, AVERAGES):
            return self._average(layer, x)
        if isinstance(layer, _L.GlobalAveragePooling1D) and x.shape[1]:
            return self._global_average1d(layer, x)
        if isinstance(layer, _L.Rescaling | _L.Normalization):
            if isinstance(layer, _L.Normalization) or not is_grid_scaling(layer):
                return self._depthwise(layer, affine_of(layer, int(x.shape[-1])), x)
        if isinstance(layer, _L.BatchNormalization) and not self._folds_itself(node):
            return self._own_norm(layer, x)
        if is_nested(layer) and self._nested(layer) is not layer:
            return self._nested(layer)(only(inputs), **kept(node))
        return None

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        """A copy, made once for every layer."""
        if key not in self.copies:
            self.copies[key] = make()
        return self.copies[key]

    def _with_affine(self, node: Any) -> Any:
        def make() -> Any:
            layer = inner_layer(node.operation)
            if id(node) in self.before:
                layer = with_affine_before(layer, *self.before[id(node)])
            if id(node) in self.behind:
                layer = with_affine_behind(layer, self.behind[id(node)])
            wrapped = node.operation is not inner_layer(node.operation)
            return rewrapped(node.operation, layer) if wrapped else layer

        return self._once(id(node), make)

    def _nested(self, layer: Any) -> Any:
        model = inner_model(layer)
        simple = self._simple(model)
        if simple is model:
            return layer
        if layer is model:
            return simple
        return self._once(("wrapper", id(layer)), lambda: around(layer, simple))

    def _simple(self, model: Any) -> Any:
        if id(model) not in self.copies:
            self.copies[id(model)] = simplify(model)
        return self.copies[id(model)]

    def _linear(self, layer: Any, x: Any, read: bool) -> Any:
        """Split off an activation that the twin of a linear layer does not have."""
        name = function_name(layer.activation)
        if layer.activation in (keras.activations.relu, keras.activations.softmax):
            return None
        if name == "linear":
            return None
        known: dict[str, Callable[..., Any]] = {
            "relu": _L.ReLU,
            "relu6": lambda **k: _L.ReLU(6.0, **k),
            "softmax": _L.Softmax,
        }
        table = tabulated_name(layer.activation, read=read)
        if table is not None:
            known[table] = lambda **k: _L.Activation(OfOneValue(table), **k)
        if name not in known:
            return None  # quantize says what is wrong with it
        plain = self._once(id(layer), lambda: copy_of(layer, activation="linear"))
        return known[name](name=self._free(f"{layer.name}_{name}"))(plain(x))

    def _called(self, layer: Any, x: Any, read: bool) -> Any:
        y = self._linear(layer, x, read)
        return layer(x) if y is None else y

    def _separated(self, layer: Any, x: Any, read: bool) -> Any:
        depthwise, pointwise = self._once(id(layer), lambda: halves(layer, self._free))
        one_d = isinstance(layer, _L.SeparableConv1D)
        if not one_d:
            return self._called(pointwise, depthwise(x), read)
        return self._as_picture(x, layer, lambda y: self._called(pointwise, depthwise(y), read))

    def _as_picture(self, x: Any, layer: Any, apply: Callable[[Any], Any]) -> Any:
        """Run what takes pictures on a sequence or a vector."""
        *sizes, channels = x.shape[1:]
        lengths = [1] * (2 - len(sizes)) + sizes
        picture = _L.Reshape((*lengths, channels), name=self._free(f"{layer.name}_picture"))(x)
        y = apply(picture)
        shape = tuple(y.shape[1:])[2 - len(sizes) :]
        return _L.Reshape(shape, name=self._free(f"{layer.name}_shape"))(y)

    def _added(self, layer: Any, inputs: Sequence[Any]) -> Any:
        total = inputs[0]
        for number, x in enumerate(inputs[1:], start=1):
            last = number == len(inputs) - 1
            name = layer.name if last else f"{layer.name}_{number}"
            total = _L.Add(name=self._free(name, own=last))([total, x])
        return total

    def _average(self, layer: Any, x: Any) -> Any:
        made = average_kernel(layer, int(x.shape[-1]))
        if made is None:
            return None
        one_d = isinstance(layer, _L.AveragePooling1D)
        return self._as_picture(x, layer, made) if one_d else made(x)

    def _global_average1d(self, layer: Any, x: Any) -> Any:
        length, channels = x.shape[1:]
        if not length & (length - 1) or first(layer):
            return None
        picture = _L.Reshape((1, length, channels), name=self._free(f"{layer.name}_picture"))(x)
        pooled = _L.GlobalAveragePooling2D(name=layer.name)(picture)
        return _L.Reshape((1, channels))(pooled) if layer.keepdims else pooled

    def _own_norm(self, layer: Any, x: Any) -> Any:
        """A batch norm that no linear layer can take: a 1 x 1 depthwise convolution before it."""

        def make() -> tuple[Any, Any]:
            identity = _L.DepthwiseConv2D(
                1, use_bias=False, name=layer.name, depthwise_initializer="ones", trainable=False
            )
            config = {**layer.get_config(), "axis": -1, "name": self._free(f"{layer.name}_norm")}
            norm = type(layer).from_config(config)
            norm.build((None, None, None, int(x.shape[-1])))
            norm.set_weights(layer.get_weights())
            return identity, norm

        identity, norm = self._once(id(layer), make)

        def normalized(picture: Any) -> Any:
            return norm(identity(picture))

        if len(x.shape) == 4:
            return normalized(x)
        return self._as_picture(x, layer, normalized)

    def _depthwise(self, layer: Any, affine: Affine | None, x: Any) -> Any:
        """A fixed affine map as a 1 x 1 depthwise convolution of its own."""
        if affine is None:
            return None

        def make() -> Any:
            made = _L.DepthwiseConv2D(1, use_bias=affine.moves, name=layer.name, trainable=False)
            made.build((None, None, None, int(x.shape[-1])))
            made.kernel.assign(affine.scale.reshape(made.kernel.shape))
            if affine.moves:
                made.bias.assign(affine.offset)
            return made

        scaled = self._once(id(layer), make)
        if len(x.shape) == 4:
            return scaled(x)
        return self._as_picture(x, layer, scaled)

    def _free(self, name: str, own: bool = False) -> str:
        """A name that nothing has; ``own`` may keep that of the layer it stands for."""
        free, count = name, 1
        while free in self.names and not (own and free == name):
            count += 1
            free = f"{name}_{count}"
        self.names.add(free)
        return free
