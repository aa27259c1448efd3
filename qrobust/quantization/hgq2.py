"""Layers of HGQ2 (package ``hgq``) as the layers that ``adopt`` knows, without importing it.

HGQ2 rounds a layer's *input* (``iq``), kernel (``kq``) and bias (``bq``) in fixed point, with bits
of its own for every weight and, where asked, for every activation. Kernels and biases are taken as
they are after rounding. An activation quantizer with one grid for all values becomes that grid; one
with many becomes the finest of them, over the widest of their ranges: nothing is rounded further
than HGQ2 rounded it, up to the 8 bits of a device.

Source: Sun et al., "Gradient-based Automatic Mixed Precision Quantization for Neural Networks
On-Chip" (arXiv 2405.00645); HGQ2 0.2.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.quantization.names import Names
from qrobust.quantizers import QuantizedBits, QuantizedRelu

_L = keras.layers
_MOST_BITS, _FEWEST_SIGNED = 8, 2
_ROUNDINGS = ("RND", "RND_CONV")
_LINEAR = {
    "QDense": _L.Dense,
    "QBatchNormDense": _L.Dense,
    "QConv1D": _L.Conv1D,
    "QConv2D": _L.Conv2D,
}
_MOVERS = {
    "QMaxPooling1D": _L.MaxPooling1D,
    "QMaxPooling2D": _L.MaxPooling2D,
    "QGlobalMaxPooling1D": _L.GlobalMaxPooling1D,
    "QGlobalMaxPooling2D": _L.GlobalMaxPooling2D,
    "QAveragePooling1D": _L.AveragePooling1D,
    "QAveragePooling2D": _L.AveragePooling2D,
    "QGlobalAveragePooling1D": _L.GlobalAveragePooling1D,
    "QGlobalAveragePooling2D": _L.GlobalAveragePooling2D,
    "QAdd": _L.Add,
    "QSubtract": _L.Subtract,
    "QMaximum": _L.Maximum,
    "QMinimum": _L.Minimum,
}
_GEOMETRY = (
    "units filters kernel_size strides padding dilation_rate groups pool_size keepdims".split()
)


def is_hgq2(layer: Any) -> bool:
    """Whether a layer is one of HGQ2's."""
    return type(layer).__module__.partition(".")[0] == "hgq"


def from_hgq2(layer: Any, names: Names, changes: list[str]) -> Callable[[Any], Any]:
    """What computes a layer of HGQ2 from one tensor, or a list of them.

    Args:
        layer: a built layer.
        names: free names.
        changes: gets a sentence for each grid that is not HGQ2's own.

    Raises:
        ValueError: a kind of layer, rounding or grid that has no exact form, by the layer's name.
    """
    kind = type(layer).__name__
    if kind == "QSoftmax":
        end: Callable[[Any], Any] = _L.Softmax(name=names.free(layer.name))
        return end  # the export leaves a final one out
    if kind not in _LINEAR and kind not in _MOVERS:
        known = ", ".join(sorted({*_LINEAR, *_MOVERS, "QSoftmax"}))
        raise ValueError(
            f"Layer '{layer.name}' ({kind} of HGQ2) has no exact form here. Build that part of the "
            f"model from {known}, or from Keras's Flatten and Reshape."
        )
    if kind in _MOVERS and not all(_used(q).all() for q in _several(layer, "iq")):
        raise ValueError(
            f"Layer '{layer.name}': its iq keeps no bit of some values. Leave out what they are "
            f"made of."
        )
    inputs = _quantizers(layer, "iq", names, changes)
    outputs = _quantizers(layer, "oq", names, changes)
    made = _linear(layer, names) if kind in _LINEAR else _mover(layer, _MOVERS[kind], names)

    def call(x: Any) -> Any:
        xs = x if isinstance(x, list | tuple) else [x]
        rounders = inputs * len(xs) if len(inputs) == 1 else inputs or [None] * len(xs)
        xs = [v if r is None else r(v) for v, r in zip(xs, rounders, strict=True)]
        y = made(xs if len(xs) > 1 else xs[0])
        return outputs[0](y) if outputs else y

    return call


def _linear(layer: Any, names: Names) -> Callable[[Any], Any]:
    kind = _LINEAR[type(layer).__name__]
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(
            f"Layer '{layer.name}': data_format='{layer.data_format}'. Build the model with "
            f"data_format='channels_last'."
        )
    bias = getattr(layer, "qbias", None)
    made = kind(
        **_geometry(layer, kind),
        use_bias=bias is not None,
        activation=layer.activation,
        name=names.free(layer.name),
    )
    weights = [np.asarray(layer.qkernel) * _kept(layer)]
    if bias is not None:
        weights.append(np.asarray(bias))

    def call(x: Any) -> Any:
        y = made(x)
        made.set_weights(weights)
        return y

    return call


def _kept(layer: Any) -> Any:
    """1 for the inputs that HGQ2 keeps, 0 for those that it drops; factors of a kernel's rows.

    Raises:
        ValueError: an input that is dropped in some places only.
    """
    if not getattr(layer, "enable_iq", False):
        return 1.0
    used = _used(layer.iq)
    channels = used.reshape(-1, used.shape[-1])
    if used.all():
        return 1.0
    if np.any(channels != channels[0]):
        raise ValueError(
            f"Layer '{layer.name}': its iq keeps no bit of some places of a channel, which no "
            f"kernel can leave out. Train it with one grid for each channel (homogeneous_axis)."
        )
    return channels[0].astype(np.float32)[:, None]


def _used(quantizer: Any) -> Any:
    """Whether a fixed-point quantizer keeps any bit, element by element."""
    fixed = getattr(quantizer, "quantizer", quantizer)
    k, i, f = (np.asarray(v, np.float64) for v in getattr(fixed, "kif", (1.0, 1.0, 1.0)))
    return np.atleast_1d(k + i + f > 0)


def _mover(layer: Any, kind: Any, names: Names) -> Any:
    return kind(**_geometry(layer, kind), name=names.free(layer.name))


def _geometry(layer: Any, kind: Any) -> dict[str, Any]:
    known = kind.__init__.__code__.co_varnames
    return {k: getattr(layer, k) for k in _GEOMETRY if k in known and hasattr(layer, k)}


def _quantizers(layer: Any, which: str, names: Names, changes: list[str]) -> list[Any]:
    return [
        qkeras.QActivation(
            _activation(q, layer.name, which, changes), name=names.free(f"{layer.name}_{which}")
        )
        for q in _several(layer, which)
    ]


def _several(layer: Any, which: str) -> list[Any]:
    """The quantizers of a layer's inputs or outputs."""
    if not getattr(layer, f"enable_{which}", False):
        return []
    found = getattr(layer, which)
    return list(getattr(found, "quantizers", [found]))


def _activation(quantizer: Any, name: str, which: str, changes: list[str]) -> Any:
    """The grid of 8 bits or fewer that stands for a fixed-point quantizer."""
    fixed = getattr(quantizer, "quantizer", quantizer)
    moved = getattr(quantizer, "scaler", None), getattr(quantizer, "affine", None)
    if not hasattr(fixed, "kif") or moved != (None, None):
        raise ValueError(
            f"Layer '{name}': its {which} ({type(fixed).__name__}) is no plain fixed-point "
            f"quantizer. Use QuantizerConfig('kif') or ('kbi'), without scaler and affine."
        )
    if fixed.round_mode not in _ROUNDINGS:
        raise ValueError(
            f"Layer '{name}': its {which} rounds by '{fixed.round_mode}', integers round half up. "
            f"Use round_mode='RND'."
        )
    k, i, f = (np.asarray(v, np.float64) for v in fixed.kif)
    k, i, f = np.broadcast_arrays(k, i, f)
    used = k + i + f > 0
    if not used.any():
        raise ValueError(
            f"Layer '{name}': its {which} keeps no bit of any value. Show the model data first "
            f"(hgq.utils.trace_minmax), or train it."
        )
    signed, integer = bool(k[used].any()), int(i[used].max())
    fraction = int(f[used].max())
    bits = integer + fraction + signed
    if which == "oq" and not used.all():
        raise ValueError(
            f"Layer '{name}': its oq keeps no bit of some values. Leave out what they are made of."
        )
    if signed and bits < _FEWEST_SIGNED:
        changes.append(f"'{name}': its {which} of one bit, -1 and 0, becomes one of two")
    if len({*zip(k[used].flat, i[used].flat, f[used].flat, strict=True)}) > 1:
        changes.append(
            f"'{name}': its {which} has many grids; the finest of them, steps of 2^{-fraction}, "
            f"stands for all"
        )
    if bits > _MOST_BITS:
        changes.append(f"'{name}': the {bits} bits of its {which} become {_MOST_BITS}")
        bits = _MOST_BITS
    if fixed.overflow_mode == "WRAP":
        changes.append(
            f"'{name}': values beyond the range of its {which} saturate, not wrap around"
        )
    if fixed.round_mode == "RND_CONV":
        changes.append(f"'{name}': its {which} rounds halves up, not to even")
    if not signed:
        return QuantizedRelu(max(bits, 1), integer)
    return QuantizedBits(
        max(bits, _FEWEST_SIGNED), integer, symmetric=fixed.overflow_mode.endswith("SYM")
    )
