"""Calls and layers that ``simplify`` makes again, on other inputs or in two halves."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from qrobust.quantization.graph import WRAPPERS, rewrapped

_L = keras.layers


def halves(layer: Any, free: Callable[[str], str]) -> tuple[Any, Any]:
    """A separable convolution as a depthwise and a pointwise one, both on pictures."""
    one_d = isinstance(layer, _L.SeparableConv1D)
    window = (1, layer.kernel_size[0]) if one_d else layer.kernel_size
    if layer.padding == "causal":
        raise ValueError(
            f"Layer '{layer.name}': a causal separable convolution has no quantized twin. Pad with "
            f"ZeroPadding1D and use padding='valid'."
        )
    depthwise = _L.DepthwiseConv2D(
        window,
        strides=max(layer.strides),
        padding=layer.padding,
        depth_multiplier=layer.depth_multiplier,
        dilation_rate=(1, layer.dilation_rate[0]) if one_d else layer.dilation_rate,
        data_format=layer.data_format,
        use_bias=False,
        name=free(f"{layer.name}_depthwise"),
        depthwise_regularizer=layer.depthwise_regularizer,
        trainable=layer.trainable,
    )
    pointwise = _L.Conv2D(
        layer.filters,
        1,
        data_format=layer.data_format,
        activation=layer.activation,
        use_bias=layer.use_bias,
        name=layer.name,
        kernel_regularizer=layer.pointwise_regularizer,
        bias_regularizer=layer.bias_regularizer,
        trainable=layer.trainable,
    )
    kernel = np.asarray(layer.depthwise_kernel)
    depthwise.build((None, None, None, kernel.shape[-2]))
    depthwise.kernel.assign(kernel[None] if one_d else kernel)
    kernel = np.asarray(layer.pointwise_kernel)
    pointwise.build((None, None, None, kernel.shape[-2]))
    pointwise.kernel.assign(kernel[None] if one_d else kernel)
    if layer.use_bias:
        pointwise.bias.assign(layer.bias)
    return depthwise, pointwise


def around(wrapper: Any, model: Any) -> Any:
    """Wrappers around another model."""
    inside = wrapper.layer
    return rewrapped(wrapper, around(inside, model) if isinstance(inside, WRAPPERS) else model)


def arguments(node: Any, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The positional arguments of a call, its tensors exchanged."""
    left = iter(inputs)
    arguments = keras.tree.map_structure(
        lambda value: next(left) if isinstance(value, keras.KerasTensor) else value,
        node.arguments.args,
    )
    return tuple(arguments)


def kept(node: Any) -> dict[str, Any]:
    """The keyword arguments of a call; what runs the model says whether it trains."""
    return {k: v for k, v in node.arguments.kwargs.items() if v is not None and k != "training"}


def pair(value: Any) -> tuple[int, int]:
    """One or two sizes as two."""
    sizes = [value] * 2 if isinstance(value, int) else list(value)
    return int(sizes[0]), int(sizes[-1])


def first(layer: Any) -> bool:
    """Whether a layer keeps its channels first."""
    return getattr(layer, "data_format", "channels_last") == "channels_first"
