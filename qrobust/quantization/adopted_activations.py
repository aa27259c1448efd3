"""What ``adopt`` makes of an activation: a quantizer that rounds half up, or a few layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.quantization.names import Names
from qrobust.quantizers import QuantizedBits, QuantizedRelu
from tflite_export.lower.functions import shown

_L = keras.layers
_MOST_BITS = 8
# Thresholds are kept on steps that any float32 sum can hold.
_THRESHOLD_STEP = 2.0**-10
_ADVICE = {
    "quantized_relu_po2": "its values are powers of two, on no grid; use quantized_relu",
    "quantized_po2": "its values are powers of two, on no grid; use quantized_bits",
    "quantized_hswish": "a product of two activations has no exact kernel; use quantized_relu",
    "bernoulli": "it is random in inference; use quantized_sigmoid",
    "stochastic_binary": "it is random in inference; use binary",
    "stochastic_ternary": "it is random in inference; use ternary",
    "quantized_ulaw": "its values lie on no grid; use quantized_bits",
}

Free = Callable[[str], str]
Apply = Callable[[Any, Free], Any]


@dataclass(frozen=True)
class Form:
    """An exact form of an activation.

    Attributes:
        quantizer: the one that takes its place; None where layers do.
        said: the change, in words; None where nothing changes.
        layers: ``(tensor, free names) -> tensor``, where there is no quantizer.
    """

    quantizer: Any
    said: str | None = None
    layers: Apply | None = None


def is_quantizer(activation: Any) -> bool:
    """Whether an activation is a quantizer, of QKeras or of this package."""
    module = activation.__module__ if callable(activation) else ""
    return hasattr(activation, "grid") or str(module).startswith("qkeras")


def adopted_activation(quantizer: Any, name: str) -> Form:
    """The exact form of a quantizer.

    Grids stay, ties change: these forms round half up. A form that is made of layers is compared
    with the quantizer away from its ties.

    Raises:
        ValueError: a quantizer whose values lie on no power-of-two grid.
    """
    if hasattr(quantizer, "grid"):
        return Form(quantizer)
    kind = getattr(quantizer, "__name__", type(quantizer).__name__)
    if getattr(quantizer, "use_stochastic_rounding", False):
        raise ValueError(
            f"Layer '{name}': {shown(quantizer)} is random in inference. Build it without "
            f"use_stochastic_rounding."
        )
    make = _FORMS.get(kind)
    if make is None:
        why = _ADVICE.get(kind, "use quantized_relu or quantized_bits, and train again")
        raise ValueError(
            f"Layer '{name}': the activation {kind} has no exact integer form here: {why}."
        )
    form = make(quantizer, name)
    if kind not in _PLAIN:
        _check(quantizer, form, kind, name)
    return form


def _plain(quantizer: Any, made: Any, name: str) -> Form:
    bits = int(getattr(quantizer, "bits", 0))
    said = f"'{name}': {_named(quantizer)} becomes {made}, which rounds half up"
    if bits > _MOST_BITS:
        said += f"; {bits} bits become {_MOST_BITS}"
    if getattr(quantizer, "alpha", None) not in (None, 1, 1.0):
        said += f"; alpha={quantizer.alpha} becomes 1"
    return Form(made, said)


def _bits(quantizer: Any, name: str) -> Form:
    bits, integer = int(quantizer.bits), int(quantizer.integer)
    if quantizer.keep_negative and bits > 1:
        made: Any = QuantizedBits(min(bits, _MOST_BITS), integer, bool(quantizer.symmetric))
    else:
        made = QuantizedRelu(min(bits, _MOST_BITS), integer)
    return _plain(quantizer, made, name)


def _relu(quantizer: Any, name: str) -> Form:
    bits, integer = int(quantizer.bits), int(quantizer.integer)
    if quantizer.use_sigmoid and quantizer.negative_slope:
        raise ValueError(
            f"Layer '{name}': {shown(quantizer)} with a sigmoid and a negative slope has no exact "
            f"integer form. Use quantized_relu(bits, integer)."
        )
    if quantizer.use_sigmoid:
        # 2 sigmoid(x) - 1 of a hard sigmoid is x, on steps twice as wide.
        made = QuantizedRelu(min(max(bits - 1, 1), _MOST_BITS), integer)
        _check(quantizer, Form(made), "quantized_relu", name)
        return _plain(quantizer, made, name)
    if quantizer.negative_slope:
        return _leaky(quantizer, name)
    upper = quantizer.relu_upper_bound
    return _plain(
        quantizer,
        QuantizedRelu(min(bits, _MOST_BITS), integer, upper and float(upper)),
        name,
    )


def _leaky(quantizer: Any, name: str) -> Form:
    """``Q(x) - Q(-slope x)``, the second of which clips at ``slope * 2**integer``."""
    bits, integer = min(int(quantizer.bits) - 1, _MOST_BITS - 1), int(quantizer.integer)
    slope = float(quantizer.negative_slope)
    step = 2.0 ** (integer - bits)
    positive = QuantizedRelu(bits, integer)
    reach = max(slope * 2.0**integer, step)
    negative = QuantizedRelu(bits + 1, integer + 1, reach)

    def layers(x: Any, free: Free) -> Any:
        above = _activation(positive, free(f"{name}_above"))(x)
        below = _L.Rescaling(-slope, name=free(f"{name}_slope"))(x)
        below = _activation(negative, free(f"{name}_below"))(below)
        below = _L.Rescaling(-1.0, name=free(f"{name}_turned"))(below)
        signed = QuantizedBits(_MOST_BITS, integer - bits + _MOST_BITS - 1)
        below = _activation(signed, free(f"{name}_signed"))(below)
        y = _L.Add(name=free(f"{name}_sum"))([above, below])
        return _activation(signed, free(name))(y)

    form = Form(None, f"'{name}': {shown(quantizer)} becomes a sum of two quantized ReLUs", layers)
    _check(quantizer, form, "quantized_relu", name)
    return form


def _tanh(quantizer: Any, name: str) -> Form:
    made = QuantizedBits(min(int(quantizer.bits), _MOST_BITS), 0, bool(quantizer.symmetric))
    return _plain(quantizer, made, name)


def _hard_tanh(quantizer: Any, name: str) -> Form:
    return _plain(quantizer, QuantizedBits(_MOST_BITS, 0), name)


def _sigmoid(quantizer: Any, name: str) -> Form:
    made = QuantizedRelu(min(int(getattr(quantizer, "bits", _MOST_BITS)), _MOST_BITS), 0)

    def layers(x: Any, free: Free) -> Any:
        y = _L.Rescaling(0.5, 0.5, name=free(f"{name}_half"))(x)
        return _activation(made, free(name))(y)

    return Form(None, f"'{name}': {_named(quantizer)} becomes {made} of x / 2 + 1 / 2", layers)


def _binary(quantizer: Any, name: str) -> Form:
    scale = _scale(quantizer, name)
    zero_one = bool(getattr(quantizer, "use_01", False))

    def layers(x: Any, free: Free) -> Any:
        y = _step(x, 0.0, name, free)
        last = (scale, 0.0) if zero_one else (2 * scale, -scale)
        return _signed(y, *last, name, free)

    return Form(None, f"'{name}': {_named(quantizer)} becomes a step at 0", layers)


def _ternary(quantizer: Any, name: str) -> Form:
    scale = _scale(quantizer, name)
    asked = quantizer.threshold
    threshold = float(quantizer.default_threshold if asked is None else asked)
    at = max(round(threshold / _THRESHOLD_STEP), 1) * _THRESHOLD_STEP

    def layers(x: Any, free: Free) -> Any:
        steps = [_step(x, t, name, free) for t in (at, -at)]
        y = _L.Add(name=free(f"{name}_sum"))(steps)
        return _signed(y, scale, -scale, name, free)

    said = f"'{name}': {_named(quantizer)} becomes two steps at {at:g} and {-at:g}"
    return Form(None, said, layers)


def _step(x: Any, at: float, name: str, free: Free) -> Any:
    """1 from ``at`` on, else 0."""
    moved = _L.Rescaling(1.0, 0.5 - at, name=free(f"{name}_moved"))(x)
    return _activation(QuantizedRelu(1, 1), free(f"{name}_step"))(moved)


def _signed(y: Any, scale: float, offset: float, name: str, free: Free) -> Any:
    y = _L.Rescaling(scale, offset, name=free(f"{name}_signs"))(y)
    largest = int(np.log2(max(abs(scale + offset), abs(offset))))
    return _activation(QuantizedBits(2, largest + 1, symmetric=True), free(name))(y)


def _scale(quantizer: Any, name: str) -> float:
    alpha = getattr(quantizer, "alpha", None)
    scale = 1.0 if alpha is None else alpha
    if isinstance(scale, str) or np.size(scale) != 1 or np.frexp(float(scale))[0] != 0.5:
        raise ValueError(
            f"Layer '{name}': {shown(quantizer)} scales activations by alpha={alpha}, which is "
            f"no fixed power of two. Use alpha=1."
        )
    return float(scale)


def _activation(quantizer: Any, name: str) -> Any:
    return qkeras.QActivation(quantizer, name=name)


def _check(quantizer: Any, form: Form, kind: str, name: str) -> None:
    """Compare a form with its quantizer, no more than one step and few places apart."""
    # Off every tie: odd multiples of a step far finer than any that is used.
    x = (np.arange(-4000, 4000) * 2 + 1).astype(np.float32)[:, None] * np.float32(2.0**-9.5)
    wanted = np.asarray(quantizer(keras.ops.convert_to_tensor(x)))
    if form.layers is None:
        given = np.asarray(form.quantizer(keras.ops.convert_to_tensor(x)))
        step = form.quantizer.grid().step
    else:
        inputs = keras.Input((1,))
        given = np.asarray(keras.Model(inputs, form.layers(inputs, Names(()).free))(x))
        step = 2.0**-_MOST_BITS
    if np.mean(np.abs(given - wanted) > step) > 0.01:
        raise ValueError(
            f"Layer '{name}': the activation {kind} ({shown(quantizer)}) computes another "
            f"function here than the hard one that has an exact form. Use one without "
            f"use_real_tanh or use_real_sigmoid, and QKeras's internal sigmoid 'hard'."
        )


def _named(quantizer: Any) -> str:
    return str(getattr(quantizer, "__name__", None) or shown(quantizer))


_FORMS: dict[str, Callable[[Any, str], Form]] = {
    "quantized_relu": _relu,
    "quantized_bits": _bits,
    "quantized_linear": _bits,
    "quantized_tanh": _tanh,
    "hard_tanh": _hard_tanh,
    "quantized_sigmoid": _sigmoid,
    "hard_sigmoid": _sigmoid,
    "binary": _binary,
    "binary_tanh": _binary,
    "ternary": _ternary,
}
_PLAIN = ("quantized_relu", "quantized_bits", "quantized_linear")
