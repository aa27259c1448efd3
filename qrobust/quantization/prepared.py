"""QKeras layers that ``adopt`` takes apart before it looks at ranges."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.quantization.graph import FloatGraph, only
from qrobust.quantization.hgq2 import from_hgq2, is_hgq2
from qrobust.quantization.names import Names
from qrobust.quantization.operators import dyadic_share, without_operators
from qrobust.quantization.rewritten import rewritten
from tflite_export.lower.functions import PROBABILITIES, function_name, shown

_L = keras.layers
_SEPARABLE = (qkeras.QSeparableConv1D, qkeras.QSeparableConv2D)


def prepared(model: Any, changes: list[str]) -> Any:
    """The same function without separable convolutions and adaptive or fused final activations.

    A separable convolution becomes its two halves, between which a result can then be rounded; an
    adaptive activation, which changes its range at every call, becomes the quantizer that it is
    now. Other layers are shared with the model, which is returned itself where there are none.
    """
    changes += _averages(model)
    model = without_operators(model, dyadic=True)
    graph = FloatGraph(model)
    names = Names(node.operation.name for node in graph.nodes)
    made: dict[int, Callable[[Any], Any]] = {}
    for node in graph.nodes:
        layer = node.operation
        if id(layer) in made:
            continue
        if isinstance(layer, _SEPARABLE):
            made[id(layer)] = _halves(layer, names)
            changes.append(f"'{layer.name}' becomes a depthwise and a pointwise convolution")
        elif is_hgq2(layer):
            made[id(layer)] = from_hgq2(layer, names, changes)
        elif _probabilities(layer) is not None:
            made[id(layer)] = _split(layer, names)
        elif isinstance(layer, qkeras.QAdaptiveActivation):
            quantizer = _frozen(layer)
            made[id(layer)] = qkeras.QActivation(quantizer, name=names.free(layer.name))
            changes.append(f"'{layer.name}': its range stays what it is now: {shown(quantizer)}")
    return rewritten(model, lambda node, inputs: _exchanged(made, node, inputs))


def _exchanged(made: dict[int, Callable[[Any], Any]], node: Any, inputs: Sequence[Any]) -> Any:
    call = made.get(id(node.operation))
    return None if call is None else call(only(inputs))


def _probabilities(layer: Any) -> str | None:
    """The softmax or sigmoid inside a layer with weights, whose logits want a quantizer."""
    name = function_name(getattr(layer, "activation", None))
    return name if name in PROBABILITIES and bool(getattr(layer, "weights", None)) else None


def _split(layer: Any, names: Names) -> Callable[[Any], Any]:
    name = _probabilities(layer)
    linear = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    last = _L.Activation(name, name=names.free(f"{layer.name}_{name}"))

    def call(x: Any) -> Any:
        y = linear(x)
        linear.set_weights(layer.get_weights())
        return last(y)

    return call


def _averages(model: Any) -> list[str]:
    """What becomes of averages of a number of branches that is no power of two, in words."""
    said = []
    for node in FloatGraph(model).nodes:
        count = len(node.input_tensors)
        if isinstance(node.operation, _L.Average) and count & (count - 1):
            share = Fraction(dyadic_share(1 / count))
            said.append(f"'{node.operation.name}': its share of 1/{count} becomes {share}")
    return said


def _frozen(layer: Any) -> Any:
    """The quantizer of an adaptive activation, with the integer bits of now."""
    known = layer.quantizer.get_config()
    integers = np.unique(keras.ops.convert_to_numpy(layer.quantizer.integer))
    if len(integers) > 1:
        raise ValueError(
            f"Layer '{layer.name}': an adaptive activation with a range for each channel has no "
            f"one grid. Use per_channel=False."
        )
    integer = int(integers[0])
    return type(layer.quantizer)(**{**known, "integer": integer})


def _halves(layer: Any, names: Names) -> Callable[[Any], Any]:
    one_d = isinstance(layer, qkeras.QSeparableConv1D)
    if layer.padding == "causal":
        raise ValueError(
            f"Layer '{layer.name}': a causal separable convolution is not adopted. Pad with "
            f"ZeroPadding1D and use padding='valid'."
        )
    depthwise = qkeras.QDepthwiseConv2D(
        (1, layer.kernel_size[0]) if one_d else layer.kernel_size,
        strides=max(layer.strides),
        padding=layer.padding,
        depth_multiplier=layer.depth_multiplier,
        dilation_rate=(1, layer.dilation_rate[0]) if one_d else layer.dilation_rate,
        use_bias=False,
        depthwise_quantizer=layer.depthwise_quantizer_internal,
        name=names.free(f"{layer.name}_depthwise"),
    )
    pointwise = qkeras.QConv2D(
        layer.filters,
        1,
        use_bias=layer.use_bias,
        activation=layer.activation,
        kernel_quantizer=layer.pointwise_quantizer_internal,
        bias_quantizer=layer.bias_quantizer_internal,
        name=names.free(layer.name),
    )

    def call(x: Any) -> Any:
        if one_d:
            x = _L.Reshape((1, *x.shape[1:]), name=names.free(f"{layer.name}_picture"))(x)
        y = pointwise(depthwise(x))
        _fill(layer, depthwise, pointwise, one_d)
        if one_d:
            y = _L.Reshape(y.shape[2:], name=names.free(f"{layer.name}_sequence"))(y)
        return y

    return call


def _fill(layer: Any, depthwise: Any, pointwise: Any, one_d: bool) -> None:
    kernels = [np.asarray(k) for k in (layer.depthwise_kernel, layer.pointwise_kernel)]
    first, second = (k[None] if one_d else k for k in kernels)
    depthwise.set_weights([first])
    bias = [layer.bias] if layer.use_bias else []
    pointwise.set_weights([second, *bias])
