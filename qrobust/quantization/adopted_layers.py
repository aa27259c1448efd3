"""What ``adopt`` does to one layer: its activation, its weights, its batch norm."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.layers import Conv2DBatchNorm, DenseBatchNorm, DepthwiseConv2DBatchNorm
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu
from tflite_export.lower.weights import weight_exponents

_BITS = 6
_LARGEST = 2 ** (_BITS - 1) - 1
# kernel -> (name of its quantizer, axes that count output channels)
_KERNELS = {
    "kernel": ("kernel", (-1,)),
    "depthwise_kernel": ("depthwise", (-2, -1)),
    "pointwise_kernel": ("pointwise", (-1,)),
}
_FOLDED = {
    "QDense": DenseBatchNorm,
    "Dense": DenseBatchNorm,
    "QConv2D": Conv2DBatchNorm,
    "Conv2D": Conv2DBatchNorm,
    "QDepthwiseConv2D": DepthwiseConv2DBatchNorm,
    "DepthwiseConv2D": DepthwiseConv2DBatchNorm,
}


def is_quantizer(activation: Any) -> bool:
    """Whether an activation is a quantizer, of QKeras or of this package."""
    return hasattr(activation, "grid") or type(activation).__module__.startswith("qkeras")


def adopted_activation(quantizer: Any, name: str) -> tuple[Any, str | None]:
    """The half-up quantizer with the same grid, and what changed, in words.

    Raises:
        ValueError: a quantizer whose values lie on no power-of-two grid.
    """
    if hasattr(quantizer, "grid"):
        return quantizer, None
    kind = type(quantizer).__name__
    if getattr(quantizer, "use_stochastic_rounding", False):
        raise ValueError(
            f"Layer '{name}': {quantizer!s} is random in inference. Build it without "
            f"use_stochastic_rounding."
        )
    bits = int(getattr(quantizer, "bits", 0))
    if kind == "quantized_relu":
        if quantizer.use_sigmoid or quantizer.negative_slope:
            raise ValueError(
                f"Layer '{name}': {quantizer!s} with a sigmoid or a negative slope has no exact "
                f"integer form. Use quantized_relu(bits, integer)."
            )
        upper = quantizer.relu_upper_bound
        made: Any = QuantizedRelu(min(bits, 8), int(quantizer.integer), upper and float(upper))
    elif kind in ("quantized_bits", "quantized_linear"):
        if quantizer.keep_negative and bits > 1:
            symmetric = bool(quantizer.symmetric)
            made = QuantizedBits(min(bits, 8), int(quantizer.integer), symmetric)
        else:
            made = QuantizedRelu(min(bits, 8), int(quantizer.integer))
    else:
        raise ValueError(
            f"Layer '{name}': the activation {kind} has no exact integer form here. Use "
            f"quantized_relu or quantized_bits, and train again."
        )
    change = f"'{name}': {quantizer!s} becomes {made}, which rounds half up"
    if bits > 8:
        change += f"; {bits} bits become 8"
    if getattr(quantizer, "alpha", None) not in (None, 1, 1.0):
        change += f"; alpha={quantizer.alpha} becomes 1"
    return made, change


def copied(layer: Any, fill: list[Callable[[], None]]) -> Any:
    """A copy of a layer, whose weights follow once it is built."""
    copy = type(layer).from_config(layer.get_config())
    if layer.weights:
        fill.append(lambda: copy.set_weights(layer.get_weights()))
    return copy


def effective_kernel(layer: Any, kernel: str = "kernel") -> Any:
    """What a layer multiplies by."""
    quantizer = getattr(layer, f"{_KERNELS[kernel][0]}_quantizer_internal", None)
    value = getattr(layer, kernel)
    return np.asarray(value if quantizer is None else quantizer(value), np.float64)


def adopted_weights(layer: Any) -> list[str]:
    """Give a layer's weights the room that tie-free rounding needs; what changed, in words."""
    changes = []
    for name, (part, axes) in _KERNELS.items():
        if not hasattr(layer, name) or (name == "kernel" and hasattr(layer, "depthwise_kernel")):
            continue
        changes += _adopted_kernel(layer, name, part, axes)
    if getattr(layer, "use_bias", False) and _set_bias(layer):
        changes.append(f"'{layer.name}': its float bias is rounded to steps of 2^-12")
    return changes


def _adopted_kernel(layer: Any, name: str, part: str, axes: tuple[int, ...]) -> list[str]:
    before = effective_kernel(layer, name)
    channels = int(np.prod([before.shape[a] for a in axes]))
    flat = before.reshape(-1, channels)
    exponents, residual = weight_exponents(flat)
    integers = np.rint(flat * 2.0**-exponents)
    fits = not residual.any() and np.abs(integers).max(initial=0) <= _LARGEST
    quantizer = getattr(layer, f"{part}_quantizer_internal", None)
    if fits and quantizer is not None:
        return []
    kind = type(quantizer).__name__
    minimum_only = not residual.any() and (
        integers.max(initial=0) <= _LARGEST and integers.min(initial=0) == -_LARGEST - 1
    )
    if quantizer is not None and minimum_only and kind == "quantized_bits":
        config = {**quantizer.get_config(), "symmetric": 1}
        clipped = np.maximum(integers, -_LARGEST) * 2.0**exponents
        new: Any = qkeras.quantized_bits(**config)
        said = f"lie at the minimum of {quantizer!s} and are clipped"
        value = clipped.reshape(before.shape)
    else:
        new, value = PowerOfTwoWeights(_BITS, "least_squares", axes), before
        said = f"leave their grid of {_described(quantizer)} for one of {_BITS} bits"
    getattr(layer, name).assign(value)
    set_quantizer(layer, part, new)
    moved = int(np.count_nonzero(effective_kernel(layer, name) != before))
    return [f"'{layer.name}': {moved} of {before.size} weights {said}"]


def _described(quantizer: Any) -> str:
    return "float32" if quantizer is None else str(quantizer)


def _set_bias(layer: Any) -> bool:
    """Quantize a float bias in fixed point; whether it was one."""
    if getattr(layer, "bias_quantizer_internal", None) is not None:
        return False
    set_quantizer(layer, "bias", FixedPoint())
    return True


def set_quantizer(layer: Any, part: str, quantizer: Any) -> None:
    """Exchange a QKeras layer's quantizer, wherever it keeps it."""
    old = getattr(layer, f"{part}_quantizer_internal", None)
    setattr(layer, f"{part}_quantizer_internal", quantizer)
    setattr(layer, f"{part}_quantizer", quantizer)
    for index, known in enumerate(getattr(layer, "quantizers", ())):
        if known is old and old is not None:
            layer.quantizers[index] = quantizer


def folded_with(layer: Any, norm: Any, fill: list[Callable[[], None]]) -> Any:
    """One folded layer of a layer and the batch norm behind it.

    Raises:
        ValueError: a kind of layer that has no folded form.
    """
    kind = _FOLDED.get(type(layer).__name__)
    if kind is None:
        raise ValueError(
            f"Layer '{norm.name}': a batch norm behind '{layer.name}' ({type(layer).__name__}), "
            f"which has no folded form. Put it behind a Dense, Conv2D or DepthwiseConv2D layer."
        )
    depthwise = kind is DepthwiseConv2DBatchNorm
    axes = (-2, -1) if depthwise else (-1,)
    kernel = "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
    float_kind: Any = keras.layers.DepthwiseConv2D if depthwise else kind.__mro__[2]
    known = float_kind.from_config(_float_config(layer, float_kind)).get_config()
    known.pop("use_bias", None)
    known.pop("groups", None)
    folded = kind(
        **{k: v for k, v in known.items() if k not in ("lora_rank", "quantization_config")},
        kernel_quantizer=PowerOfTwoWeights(_BITS, "least_squares", axes),
        bias_quantizer=FixedPoint(),
        momentum=norm.momentum,
        epsilon=norm.epsilon,
    )

    def copy() -> None:
        folded.kernel.assign(effective_kernel(layer, kernel))
        bias: Any = 0.0
        if layer.use_bias:
            quantizer = getattr(layer, "bias_quantizer_internal", None)
            bias = np.asarray(layer.bias if quantizer is None else quantizer(layer.bias))
        if norm.scale:
            folded.gamma.assign(norm.gamma)
        if norm.center:
            folded.beta.assign(norm.beta)
        folded.moving_mean.assign(np.asarray(norm.moving_mean) - bias)
        folded.moving_variance.assign(norm.moving_variance)

    fill.append(copy)
    return folded


_GEOMETRY = "units filters kernel_size strides padding dilation_rate depth_multiplier name".split()


def _float_config(layer: Any, kind: Any) -> dict[str, Any]:
    return {
        key: getattr(layer, key)
        for key in _GEOMETRY
        if hasattr(layer, key)
        and (key not in ("filters",) or kind is not keras.layers.DepthwiseConv2D)
    }
