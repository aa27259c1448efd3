"""The quantized twin of one float layer, and how its weights move over."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.layers import Conv2DBatchNorm, DenseBatchNorm, DepthwiseConv2DBatchNorm
from qrobust.quantizers import (
    Binary,
    FixedPoint,
    PowerOfTwoWeights,
    QuantizedRelu,
    StochasticTernary,
    Ternary,
)
from qrobust.quantizers.weight_quantizer import WeightQuantizer

LINEAR = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
_PLAIN = {
    keras.layers.Dense: qkeras.QDense,
    keras.layers.Conv2D: qkeras.QConv2D,
    keras.layers.DepthwiseConv2D: qkeras.QDepthwiseConv2D,
}
FOLDED = {
    keras.layers.Dense: DenseBatchNorm,
    keras.layers.Conv2D: Conv2DBatchNorm,
    keras.layers.DepthwiseConv2D: DepthwiseConv2DBatchNorm,
}


def is_linear(layer: Any) -> bool:
    """Whether a layer is a float Dense, Conv2D or DepthwiseConv2D, batch norm folded in or not."""
    kind = type(layer)
    return kind in LINEAR or (kind in FOLDED.values() and layer.kernel_quantizer is None)


def weight_quantizer(
    bits: int | str, scale: str, channel_axes: Sequence[int], seed: int | None = None
) -> WeightQuantizer | StochasticTernary:
    """The quantizer for a name ("stochastic_ternary" draws from a seed), or a number of bits."""
    if bits == "binary":
        return Binary(channel_axes=channel_axes)
    if bits == "ternary":
        return Ternary(channel_axes=channel_axes)
    if bits == "stochastic_ternary":
        return StochasticTernary(channel_axes=channel_axes, seed=seed)
    if isinstance(bits, str):
        raise ValueError(
            f"weight_bits is 2 to 8, 'binary', 'ternary' or 'stochastic_ternary'. "
            f"Received: {bits!r}"
        )
    return PowerOfTwoWeights(bits, scale, channel_axes)


def relu_quantizer(bits: int | str, integer: int) -> QuantizedRelu:
    """The quantizer of a ReLU's output, in ``[0, 2**integer)``."""
    if isinstance(bits, str):
        raise ValueError(f"activation_bits is 1 to 8. Received: {bits!r}")
    return QuantizedRelu(bits, integer)


def linear_twin(
    layer: Any,
    norm: Any,
    activation: Any,
    *,
    weight_bits: int | str,
    weight_scale: str,
    seed: int | None = None,
) -> Any:
    """A QKeras layer, or a folded one when a batch norm follows; weights are not set yet.

    Args:
        layer: what ``is_linear`` says yes to.
        norm: the BatchNormalization after it, the layer itself if folded, or None.
        activation: of the twin: a quantizer or None.
        weight_bits: 2 to 8, "binary", "ternary" or "stochastic_ternary".
        weight_scale: see ``PowerOfTwoWeights``.
        seed: of stochastic weights.
    """
    kind = type(layer)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    config = layer.get_config()
    config["activation"] = activation
    for key in ("lora_rank", "lora_alpha", "quantization_config", "groups"):
        if config.get(key) in (None, 1):
            config.pop(key, None)
    axes = (-2, -1) if depthwise else (-1,)
    quantizer = weight_quantizer(weight_bits, weight_scale, axes, seed)
    if norm is not None:
        config.update(momentum=norm.momentum, epsilon=norm.epsilon)
        config.update(kernel_quantizer=quantizer, bias_quantizer=FixedPoint())
        return FOLDED.get(kind, kind)(**config)
    name = "depthwise_quantizer" if depthwise else "kernel_quantizer"
    return _PLAIN[kind](**config, **{name: quantizer}, bias_quantizer=FixedPoint())


def copy_linear(source: Any, norm: Any, twin: Any) -> None:
    """Copy kernel, bias and statistics of a float layer (and its batch norm) to its twin."""
    kernel = np.asarray(source.kernel)
    target = twin.depthwise_kernel if hasattr(twin, "depthwise_kernel") else twin.kernel
    target.assign(kernel)
    bias = np.asarray(source.bias) if source.use_bias else 0.0
    if norm is None:
        if source.use_bias:
            twin.bias.assign(bias)
        return
    if getattr(norm, "scale", True):
        twin.gamma.assign(norm.gamma)
    if getattr(norm, "center", True):
        twin.beta.assign(norm.beta)
    # The norm subtracts its mean from kernel plus bias; the twin has no bias to add.
    twin.moving_mean.assign(np.asarray(norm.moving_mean) - bias)
    twin.moving_variance.assign(norm.moving_variance)
