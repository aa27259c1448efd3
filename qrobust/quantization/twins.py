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
    MeanTernary,
    PowerOfTwoWeights,
    QuantizedRelu,
    StochasticMeanTernary,
    StochasticTernary,
    Ternary,
)
from qrobust.quantizers.stochastic_weights import StochasticWeights
from qrobust.quantizers.weight_quantizer import WeightQuantizer

LINEAR = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
)
_PLAIN = {
    keras.layers.Dense: qkeras.QDense,
    keras.layers.Conv1D: qkeras.QConv1D,
    keras.layers.Conv2D: qkeras.QConv2D,
    keras.layers.Conv2DTranspose: qkeras.QConv2DTranspose,
    keras.layers.DepthwiseConv2D: qkeras.QDepthwiseConv2D,
}
_NAMED: dict[str, type[WeightQuantizer]] = {
    "binary": Binary,
    "ternary": Ternary,
    "mean_ternary": MeanTernary,
}
_STOCHASTIC: dict[str, type[StochasticTernary | StochasticMeanTernary]] = {
    "stochastic_ternary": StochasticTernary,
    "stochastic_mean_ternary": StochasticMeanTernary,
}
#: Weights that are drawn in training -> what they are in inference.
STOCHASTIC = {"stochastic_ternary": "ternary", "stochastic_mean_ternary": "mean_ternary"}
# log2 of outputs for which biases in steps of 2**-12 are neither too coarse nor too fine.
_USUAL_RANGES = (-2, 6)
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
) -> WeightQuantizer | StochasticWeights:
    """The quantizer for a name (stochastic ones draw from a seed), or a number of bits."""
    if not isinstance(bits, str):
        return PowerOfTwoWeights(bits, scale, channel_axes)
    if bits in _STOCHASTIC:
        return _STOCHASTIC[bits](channel_axes, seed=seed)
    if bits not in _NAMED:
        raise ValueError(
            f"weight_bits is 2 to 8, or one of {', '.join((*_NAMED, *_STOCHASTIC))}. "
            f"Received: {bits!r}"
        )
    return _NAMED[bits](channel_axes)


def relu_quantizer(bits: int | str, integer: int, upper: float | None = None) -> QuantizedRelu:
    """The quantizer of a ReLU's output, in ``[0, 2**integer)`` and up to ``upper``."""
    if isinstance(bits, str):
        raise ValueError(f"activation_bits is 1 to 8. Received: {bits!r}")
    return QuantizedRelu(bits, integer, upper)


def linear_twin(
    layer: Any,
    norm: Any,
    activation: Any,
    *,
    weight_bits: int | str,
    weight_scale: str,
    seed: int | None = None,
    bias: FixedPoint | None = None,
) -> Any:
    """A QKeras layer, or a folded one when a batch norm follows; weights are not set yet.

    Args:
        layer: what ``is_linear`` says yes to.
        norm: the BatchNormalization after it, the layer itself if folded, or None.
        activation: of the twin: a quantizer or None.
        weight_bits: 2 to 8, or a name, see ``weight_quantizer``.
        weight_scale: see ``PowerOfTwoWeights``.
        seed: of stochastic weights.
        bias: quantizer of the bias.

    Raises:
        ValueError: a transposed convolution with output_padding.
    """
    kind = type(layer)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    config = layer.get_config()
    config["activation"] = activation
    for key in ("lora_rank", "lora_alpha", "quantization_config", "groups"):
        if config.get(key) in (None, 1):
            config.pop(key, None)
    axes = output_axes(layer)
    if config.pop("output_padding", None) is not None:
        raise ValueError("QKeras's transposed convolution has no output_padding; leave it out")
    quantizer = weight_quantizer(weight_bits, weight_scale, axes, seed)
    bias = bias or FixedPoint()
    if norm is not None:
        config.update(momentum=norm.momentum, epsilon=norm.epsilon)
        config.update(kernel_quantizer=quantizer, bias_quantizer=bias)
        if norm is not layer:
            config.update(_norm_config(layer, norm))
        return FOLDED.get(kind, kind)(**config)
    name = "depthwise_quantizer" if depthwise else "kernel_quantizer"
    return _PLAIN[kind](**config, **{name: quantizer}, bias_quantizer=bias)


def output_axes(layer: Any) -> tuple[int, ...]:
    """The axes of a layer's kernel that count its output channels."""
    if _is_depthwise(layer):
        return (-2, -1)
    return (-2,) if isinstance(layer, keras.layers.Conv2DTranspose) else (-1,)


def _norm_config(layer: Any, norm: Any) -> dict[str, Any]:
    """What a folded layer keeps of a norm: regularizers, constraints, and what does not train."""
    fixed = []
    if not layer.trainable and norm.trainable:
        fixed.append("kernel")
    if not norm.scale or (layer.trainable and not norm.trainable):
        fixed.append("gamma")
    if not norm.center or (layer.trainable and not norm.trainable):
        fixed.append("beta")
    if layer.trainable and not norm.trainable:
        fixed.append("statistics")
    names = [
        f"{part}_{kind}" for part in ("gamma", "beta") for kind in ("regularizer", "constraint")
    ]
    kept = {name: getattr(norm, name) for name in names}
    return {**kept, "fixed": fixed, "trainable": layer.trainable or norm.trainable}


def bias_quantizer(layer: Any, outputs: Sequence[Any], sources: Sequence[Any]) -> FixedPoint | None:
    """Fixed point for the biases of a layer whose outputs are in other units than usual.

    Steps of ``2**-12`` are fine for values around 1 and lose the biases of much smaller ones; so
    they are ``2**-14`` of the outputs' range where that is far from 4. Finer ones than float32 can
    add to the sum are of no use.

    Args:
        layer: Dense or a convolution.
        outputs: values seen of its outputs, one array a use; Nones where nothing was calibrated.
        sources: of its inputs.

    Returns:
        None where the usual steps are right.
    """
    seen = [np.abs(v).max(initial=0.0) for v in outputs if v is not None]
    largest = max(seen, default=0.0)
    if not largest > 0 or len(seen) < len(outputs):
        return None
    exponent = int(np.ceil(np.log2(largest)))
    if _USUAL_RANGES[0] <= exponent <= _USUAL_RANGES[1]:
        return None
    reach = max((float(np.abs(v).max(initial=0.0)) for v in sources if v is not None), default=0.0)
    kernel = np.abs(np.asarray(layer.kernel, np.float64))
    kept = [axis % kernel.ndim for axis in output_axes(layer)]
    channels = kernel.sum(axis=tuple(axis for axis in range(kernel.ndim) if axis not in kept))
    worst = max(float(channels.max()) * 2 * reach, largest)
    return FixedPoint(min(14 - exponent, 22 - int(np.ceil(np.log2(worst)))))


def _is_depthwise(layer: Any) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)


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
