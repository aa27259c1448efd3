"""``scale * x + offset`` per channel: what layers without a kernel do, and where it can go."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tflite_export.lower.functions import function_name

_L = keras.layers
_Floats = npt.NDArray[np.float64]
_KERNELS = (_L.Dense, _L.Conv1D, _L.Conv2D, _L.DepthwiseConv2D)
_WITH_TRANSPOSED = (*_KERNELS, _L.Conv2DTranspose)


@dataclass(frozen=True)
class Affine:
    """``scale * x + offset``, both (channels,) in float64."""

    scale: _Floats
    offset: _Floats

    @property
    def moves(self) -> bool:
        """Whether zero does not stay zero, so that zeros around a picture are no longer zeros."""
        return bool(np.any(self.offset))


def affine_of(layer: Any, channels: int) -> Affine | None:
    """What a Rescaling, Normalization or batch norm computes in inference; None for others.

    Raises:
        ValueError: values that differ along another axis than the last, or a layer not adapted.
    """
    if isinstance(layer, _L.Rescaling):
        scale, offset = layer.scale, layer.offset
    elif isinstance(layer, _L.Normalization):
        scale, offset = _normalization(layer)
    elif isinstance(layer, _L.BatchNormalization):
        scale = 1 / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
        scale = scale * np.asarray(layer.gamma, np.float64) if layer.scale else scale
        offset = -np.asarray(layer.moving_mean, np.float64) * scale
        offset = offset + np.asarray(layer.beta, np.float64) if layer.center else offset
    else:
        return None
    both = []
    for value in (scale, offset):
        array = np.asarray(value, np.float64)
        if array.size not in (1, channels) or (array.ndim and array.shape[-1] != array.size):
            raise ValueError(
                f"Layer '{layer.name}' ({type(layer).__name__}) has values of shape {array.shape}, "
                f"which differ along another axis than the last. Use one a channel, on axis -1."
            )
        both.append(np.broadcast_to(array.reshape(-1), (channels,)))
    return Affine(both[0], both[1])


def is_grid_scaling(layer: Any) -> bool:
    """Whether a Rescaling only changes the unit: one power of two, no offset."""
    scale = np.asarray(layer.scale, np.float64)
    moves = bool(np.any(np.asarray(layer.offset)))
    return not (scale.ndim or moves or scale <= 0 or np.frexp(scale)[0] != 0.5)


def _normalization(layer: Any) -> tuple[_Floats, _Floats]:
    mean, variance = getattr(layer, "mean", None), getattr(layer, "variance", None)
    if mean is None or variance is None:
        raise ValueError(f"Layer '{layer.name}' (Normalization) is not adapted yet. Call adapt().")
    mean = np.asarray(mean, np.float64)
    deviation = np.maximum(np.sqrt(np.asarray(variance, np.float64)), keras.backend.epsilon())
    if layer.invert:
        return deviation, mean
    return 1 / deviation, -mean / deviation


def takes(layer: Any, affine: Affine, spread: int) -> bool:
    """Whether a linear layer's kernel can take what comes before it.

    Args:
        layer: the linear layer.
        affine: on its inputs.
        spread: how many inputs of a dense layer one channel of the affine became (Flatten).
    """
    if type(layer) not in _KERNELS or (spread > 1 and not isinstance(layer, _L.Dense)):
        return False
    if getattr(layer, "groups", 1) != 1 or getattr(layer, "lora_enabled", False):
        return False
    # Zeros around the picture would have to become -offset / scale.
    return not affine.moves or getattr(layer, "padding", "valid") == "valid"


def with_affine_before(layer: Any, affine: Affine, spread: int = 1) -> Any:
    """A copy of a linear layer that computes ``layer(scale * x + offset)``."""
    kernel = np.asarray(layer.kernel, np.float64)
    scale, offset = np.tile(affine.scale, spread), np.tile(affine.offset, spread)
    along = (-1, 1)  # input channels are the last axis but one in every kernel
    new_kernel = kernel * scale.reshape(along)
    moved = kernel * offset.reshape(along)
    if isinstance(layer, _L.DepthwiseConv2D):
        added = moved.sum(axis=(0, 1)).reshape(-1)
    else:
        added = moved.reshape(-1, kernel.shape[-1]).sum(axis=0)
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    return copy_of(layer, new_kernel, bias + added, use_bias=layer.use_bias or affine.moves)


def with_affine_behind(layer: Any, affine: Affine) -> Any:
    """A copy of a linear layer without activation that computes ``scale * layer(x) + offset``."""
    kernel = np.asarray(layer.kernel, np.float64)
    depthwise = isinstance(layer, _L.DepthwiseConv2D)
    per_channel = affine.scale.reshape(kernel.shape[-2:]) if depthwise else affine.scale
    if isinstance(layer, _L.Conv2DTranspose):  # whose output channels come before its inputs
        per_channel = affine.scale[:, None]
    bias = np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    use_bias = layer.use_bias or affine.moves
    return copy_of(layer, kernel * per_channel, bias * affine.scale + affine.offset, use_bias)


def copy_of(
    layer: Any, kernel: Any = None, bias: Any = None, use_bias: bool | None = None, **changes: Any
) -> Any:
    """A copy of a built linear layer with another kernel and bias, or other options."""
    config = {**layer.get_config(), **changes}
    if use_bias is not None:
        config["use_bias"] = use_bias
    copy = type(layer).from_config(config)
    copy.build_from_config(layer.get_build_config())
    if kernel is None:
        copy.set_weights(layer.get_weights())
    else:
        copy.kernel.assign(kernel)
        if copy.use_bias:
            copy.bias.assign(np.broadcast_to(bias, copy.bias.shape))
    return copy


def is_plain_linear(layer: Any) -> bool:
    """Whether a layer is a float kernel without an activation of its own."""
    return type(layer) in _WITH_TRANSPOSED and function_name(layer.activation) == "linear"
