"""Activations: quantizers decide grids, a ReLU is a clip, a final softmax is left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tflite_export.errors import ExportError
from tflite_export.graph import Maximum
from tflite_export.grid import Grid
from tflite_export.lower.builder import Builder
from tflite_export.lower.checks import rounding_problem
from tflite_export.lower.functions import PROBABILITIES, function_name, shown
from tflite_export.lower.registry import layer_key, lowers
from tflite_export.lower.requantize import requantize
from tflite_export.lower.tables import is_tabulated, look_up
from tflite_export.lower.values import OnGrid, Pending, Probabilities, Result, Value


@lowers("keras.Activation", "qkeras.QActivation")
def _activation(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    return apply_activation(inputs[0], layer.activation, name=layer.name, builder=builder)


@lowers("keras.Softmax")
def _softmax(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    axis = layer.axis if isinstance(layer.axis, int) else None
    if axis not in (-1, len(inputs[0].shape)):
        raise ExportError(
            f"Layer '{layer.name}': a softmax along axis {layer.axis}; the classes are the last "
            f"axis. Use axis=-1."
        )
    return Probabilities(inputs[0], layer.name)


@lowers("keras.ReLU")
def _relu_layer(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    if layer.negative_slope or layer.threshold:
        raise ExportError(
            f"Layer '{layer.name}': a ReLU with negative_slope or threshold has no exact kernel. "
            f"Use a plain quantized ReLU."
        )
    return _relu(inputs[0], name=layer.name, upper=layer.max_value, builder=builder)


def apply_activation(value: Value, activation: Any, *, name: str, builder: Builder) -> Result:
    """Apply a layer's activation (a function, a quantizer or None) to a value.

    Raises:
        ExportError: the activation has no exact integer form.
    """
    plain = function_name(activation)
    if plain == "linear":
        return value
    if plain in PROBABILITIES:
        return Probabilities(value, name)
    if plain in ("relu", "relu6"):
        return _relu(value, name=name, upper=6.0 if plain == "relu6" else None, builder=builder)
    if is_tabulated(activation):
        return look_up(value, activation, name=name, builder=builder)
    grid = activation_grid(activation, name=name, builder=builder)
    return quantize_value(value, grid, name=name, builder=builder)


def activation_grid(quantizer: Any, *, name: str, builder: Builder) -> Grid:
    """The grid that an activation quantizer rounds onto.

    A quantizer that has a ``grid()`` method says so itself, and promises to round half up. QKeras's
    own are known by name; they round half to even.

    Raises:
        ExportError: the quantizer's values lie on no power-of-two grid.
    """
    if callable(getattr(quantizer, "grid", None)):
        grid = quantizer.grid()
        if not isinstance(grid, Grid):
            raise ExportError(f"Layer '{name}': {shown(quantizer)} has no activation grid.")
        problem = rounding_problem(quantizer, grid)
        if problem is not None:
            builder.inexact(f"Layer '{name}': {shown(quantizer)} {problem}")
        return grid
    key = layer_key(quantizer)
    if key not in _STOCK_GRIDS:
        raise ExportError(
            f"Layer '{name}': the activation {shown(quantizer)} ({key}) has no exact integer form. "
            f"Use a quantized ReLU or quantized_bits."
        )
    if getattr(quantizer, "use_stochastic_rounding", False):
        raise ExportError(
            f"Layer '{name}': {shown(quantizer)} is random in inference "
            f"(use_stochastic_rounding). Use one that rounds, such as "
            f"qrobust.quantizers.QuantizedRelu."
        )
    grid = _STOCK_GRIDS[key](quantizer, name)
    builder.inexact(
        f"Layer '{name}': {shown(quantizer)} rounds halves to even, while integers round them "
        f"up. Use the quantizers of qrobust.quantizers"
    )
    return grid


def quantize_value(value: Value, grid: Grid, *, name: str, builder: Builder) -> Value:
    """Bring a value onto a grid."""
    if isinstance(value, Pending):
        return value.on(grid)
    return requantize(value, grid, name=name, builder=builder)


def _relu(value: Value, *, name: str, upper: float | None, builder: Builder) -> Value:
    if isinstance(value, Pending):
        tightest = min((u for u in (upper, value.upper) if u is not None), default=None)
        return replace(value, relu=True, upper=tightest)
    current = builder.on_grid(value, reader=name)
    grid = current.tensor.grid
    if upper is not None and upper < current.grid.high:
        raise ExportError(
            f"Layer '{name}': clips at {upper}, inside its input's grid ({current.grid}). Put the "
            f"quantizer after the ReLU."
        )
    if grid.is_unsigned:
        return current
    clipped = Grid(grid.exponent, grid.zero_point, grid.zero_point, grid.maximum)
    output = builder.tensor(name, current.shape, clipped)
    operator = Maximum(inputs=(current.tensor,), output=output, bound=grid.zero_point)
    return OnGrid(builder.emit(operator).tensor, current.exponent)


def _quantized_relu(quantizer: Any, name: str) -> Grid:
    if quantizer.use_sigmoid or quantizer.negative_slope or not quantizer.is_quantized_clip:
        raise ExportError(
            f"Layer '{name}': {shown(quantizer)} with a sigmoid, a negative slope or a bound of "
            f"its own has no exact integer form. Use quantized_relu(bits, integer)."
        )
    return Grid.unsigned(quantizer.bits, int(quantizer.integer) - quantizer.bits)


def _quantized_bits(quantizer: Any, name: str) -> Grid:
    if quantizer.alpha not in (None, 1, 1.0):
        raise ExportError(
            f"Layer '{name}': {shown(quantizer)} rescales activations by "
            f"alpha={quantizer.alpha}. Use alpha=1: a fixed power-of-two grid."
        )
    bits, integer = int(quantizer.bits), int(quantizer.integer)
    if not quantizer.keep_negative:
        return Grid.unsigned(bits, integer - bits)
    return Grid.signed(bits, integer - bits + 1, symmetric=bool(quantizer.symmetric))


_STOCK_GRIDS: dict[str, Callable[[Any, str], Grid]] = {
    "qkeras.quantized_relu": _quantized_relu,
    "qkeras.quantized_bits": _quantized_bits,
    "qkeras.quantized_linear": _quantized_bits,
}
