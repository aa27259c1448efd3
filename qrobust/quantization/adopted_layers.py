"""What ``adopt`` does to one layer: its activation, its weights, its batch norm."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.layers import Conv2DBatchNorm, DenseBatchNorm, DepthwiseConv2DBatchNorm
from qrobust.quantization.clipping import clipped
from qrobust.quantizers import FixedPoint, PowerOfTwoWeights
from tflite_export.lower.functions import shown
from tflite_export.lower.weights import weight_exponents

_BITS = 6
_LARGEST = 2 ** (_BITS - 1) - 1
# kernel -> (name of its quantizer, axes that count output channels)
_KERNELS = {
    "kernel": ("kernel", (-1,)),
    "depthwise_kernel": ("depthwise", (-2, -1)),
    "pointwise_kernel": ("pointwise", (-1,)),
}
# Float layers and the quantized ones that take their place.
_QUANTIZED = {
    keras.layers.Dense: qkeras.QDense,
    keras.layers.Conv1D: qkeras.QConv1D,
    keras.layers.Conv2D: qkeras.QConv2D,
    keras.layers.DepthwiseConv2D: qkeras.QDepthwiseConv2D,
}
_FOLDED = {
    "QDense": DenseBatchNorm,
    "Dense": DenseBatchNorm,
    "QConv2D": Conv2DBatchNorm,
    "Conv2D": Conv2DBatchNorm,
    "QDepthwiseConv2D": DepthwiseConv2DBatchNorm,
    "DepthwiseConv2D": DepthwiseConv2DBatchNorm,
}


def copied(layer: Any, fill: list[Callable[[], None]]) -> Any:
    """A copy of a layer, whose weights follow once it is built."""
    config = layer.get_config()
    activation = getattr(layer, "activation", None)
    if inspect.isfunction(activation) and activation.__module__.startswith("qkeras"):
        # Keras finds QKeras's functions by no name; what adopt makes of them follows.
        config["activation"] = "linear"
    kind = _QUANTIZED.get(type(layer))
    copy = type(layer).from_config(config) if kind is None else _quantized(layer, kind)
    if layer.weights:
        fill.append(lambda: copy.set_weights(layer.get_weights()))
    return copy


def _quantized(layer: Any, kind: Any) -> Any:
    """A float layer of Keras as QKeras's, whose quantizers ``adopted_weights`` then sets."""
    known = inspect.signature(kind.__init__).parameters
    return kind(**{key: v for key, v in layer.get_config().items() if key in known})


def effective_kernel(layer: Any, kernel: str = "kernel") -> Any:
    """What a layer multiplies by, a batch norm of its own folded in."""
    quantizer = getattr(layer, f"{_KERNELS[kernel][0]}_quantizer_internal", None)
    value = getattr(layer, kernel)
    if hasattr(layer, "get_folded_weights"):
        value = layer.get_folded_weights()[0]
    return np.asarray(value if quantizer is None else quantizer(value), np.float64)


def adopted_weights(layer: Any, inputs: Any = None) -> list[str]:
    """Give a layer's weights the room that tie-free rounding needs; what changed, in words.

    Args:
        layer: a built layer.
        inputs: what a dense layer reads on data, shape (examples, inputs), where it is known.
    """
    changes = []
    for name, (part, axes) in _KERNELS.items():
        if not hasattr(layer, name) or (name == "kernel" and hasattr(layer, "depthwise_kernel")):
            continue
        changes += _adopted_kernel(layer, name, part, axes, inputs)
    has_bias = getattr(layer, "use_bias", False) or hasattr(layer, "get_folded_weights")
    if has_bias and _set_bias(layer):
        changes.append(f"'{layer.name}': its float bias is rounded to steps of 2^-12")
    return changes


def _adopted_kernel(
    layer: Any, name: str, part: str, axes: tuple[int, ...], inputs: Any
) -> list[str]:
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
        fitting = clipped(integers.astype(np.int64), _LARGEST, inputs) * 2.0**exponents
        new: Any = qkeras.quantized_bits(**config)
        lowest = int(np.count_nonzero(integers < -_LARGEST))
        said = f"change: {lowest} lie at the minimum of {shown(quantizer)} and are clipped"
        value = fitting.reshape(before.shape)
    else:
        new, value = PowerOfTwoWeights(_BITS, "least_squares", axes), before
        said = f"leave their grid of {_described(quantizer)} for one of {_BITS} bits"
    if not hasattr(layer, "get_folded_weights"):
        getattr(layer, name).assign(value)
    set_quantizer(layer, part, new)
    moved = int(np.count_nonzero(effective_kernel(layer, name) != before))
    return [f"'{layer.name}': {moved} of {before.size} weights {said}"]


def _described(quantizer: Any) -> str:
    return "float32" if quantizer is None else shown(quantizer)


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
            folded.gamma.assign(_statistic(norm, "gamma"))
        if norm.center:
            folded.beta.assign(_statistic(norm, "beta"))
        folded.moving_mean.assign(_statistic(norm, "mean") - bias)
        folded.moving_variance.assign(_statistic(norm, "variance"))

    fill.append(copy)
    return folded


def _statistic(norm: Any, name: str) -> Any:
    """A weight of a batch norm as the norm uses it, quantized where QKeras quantizes it."""
    value = getattr(norm, name if name in ("gamma", "beta") else f"moving_{name}")
    quantizer = getattr(norm, f"{name}_quantizer_internal", None)
    return np.asarray(value if quantizer is None else quantizer(value.value))


_GEOMETRY = "units filters kernel_size strides padding dilation_rate depth_multiplier name".split()


def _float_config(layer: Any, kind: Any) -> dict[str, Any]:
    return {
        key: getattr(layer, key)
        for key in _GEOMETRY
        if hasattr(layer, key)
        and (key not in ("filters",) or kind is not keras.layers.DepthwiseConv2D)
    }
