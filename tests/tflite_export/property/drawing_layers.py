"""Strategies that draw one layer with weights, its geometry and its quantizers."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tflite_export import Grid

from .quantization import Activation, Bits, Relu, Shape, Weights
from .weighted import Conv, Conv1d, Dense, Depthwise, Linear, Pair

Draw = Any


@dataclass(frozen=True)
class Place:
    """A tensor's shape without the batch, and the grid that its values lie on."""

    shape: Shape
    grid: Grid

    @property
    def is_picture(self) -> bool:
        return len(self.shape) == 3


def chance(draw: Draw, one_in: int) -> bool:
    """True once in a while; False is the simpler choice."""
    return bool(draw(st.integers(0, one_in - 1)) == one_in - 1)


def activation(draw: Draw, *, integers: Pair = (-3, 4)) -> Activation:
    integer = draw(st.integers(*integers))
    if chance(draw, 2):
        symmetric = draw(st.booleans())
        return Bits(draw(st.sampled_from([8, 4, 5, 6, 7, 3, 2])), integer, symmetric)
    return Relu(draw(st.sampled_from([8, 4, 5, 6, 7, 3, 2, 1])), integer)


def weights(draw: Draw, aim: int, *, norm: bool) -> Weights:
    # The bias that a norm is folded into needs a quantizer.
    bias_bits = [4, 8, 10, 0] if norm else [None, 4, 8, 10, 0]
    return Weights(
        bits=draw(st.sampled_from([4, 2, 3, 5, 6, None])),
        scale=draw(st.sampled_from(["max", "least_squares"])),
        aim=aim + draw(st.integers(0, 2)),
        spread=draw(st.integers(0, 5)),
        bias_bits=draw(st.sampled_from(bias_bits)),
        seed=draw(st.integers(0, 2**16)),
        silent=chance(draw, 8),
    )


def window(draw: Draw, size: int, *, largest: int = 3) -> int:
    return int(draw(st.integers(1, min(size, largest))))


@dataclass(frozen=True)
class Sliding:
    """The geometry of a window, and how large a side it leaves."""

    size: Pair
    strides: Pair
    padding: str
    dilation: Pair = (1, 1)

    def after(self, shape: Shape, channels: int) -> Shape:
        sides = []
        for side, window, stride, dilation in zip(
            shape[:2], self.size, self.strides, self.dilation, strict=True
        ):
            lost = 0 if self.padding == "same" else (window - 1) * dilation
            sides.append((side - lost - 1) // stride + 1)
        return (*sides, channels)


def sliding(draw: Draw, shape: Shape, *, square_strides: bool = False) -> Sliding:
    size = (window(draw, shape[0]), window(draw, shape[1]))
    padding = draw(st.sampled_from(["same", "valid"]))
    if chance(draw, 4):
        dilation = tuple(
            1 if k == 1 or (padding == "valid" and 2 * (k - 1) >= side) else draw(st.integers(1, 2))
            for k, side in zip(size, shape, strict=False)
        )
        return Sliding(size, (1, 1), padding, dilation)
    stride = draw(st.integers(1, 3))
    other = stride if square_strides else draw(st.integers(1, 3))
    return Sliding(size, (stride, other), padding)


def linear(
    draw: Draw, place: Place, *, keep_shape: bool = False
) -> tuple[Linear, Shape, Activation]:
    """A linear layer of a kind that fits, its output's shape, and the quantizer meant for it."""
    chosen = activation(draw)
    norm = chance(draw, 3)
    quantizers = weights(draw, chosen.integer, norm=norm)
    common = {
        "weights": quantizers,
        "activation": chosen,
        "norm": norm,
        "regularized": chance(draw, 8),
    }
    channels = place.shape[-1]
    if not place.is_picture or chance(draw, 8):
        if len(place.shape) == 2 and not norm and draw(st.booleans()):
            common["regularized"] = False
            return sequence(draw, place.shape, common, keep_shape=keep_shape)
        units = channels if keep_shape else draw(st.integers(1, 6))
        return Dense(**common, units=units), (*place.shape[:-1], units), chosen
    # With one input channel TensorFlow's oneDNN refuses some depthwise convolutions, and computes
    # wrong sums for convolutions of unequal strides that leave one column.
    depthwise = channels > 1 and chance(draw, 3)
    geometry = sliding(draw, place.shape, square_strides=depthwise or channels == 1)
    if keep_shape:
        geometry = replace(geometry, strides=(1, 1), padding="same")
    if depthwise:
        multiplier = 1 if keep_shape else draw(st.integers(1, 2))
        layer = Depthwise(
            **common,
            multiplier=multiplier,
            kernel=geometry.size,
            stride=geometry.strides[0],
            padding=geometry.padding,
            dilation=geometry.dilation,
            channel_axes=draw(st.sampled_from([(-2, -1), (-1,)])),
        )
        return layer, geometry.after(place.shape, channels * multiplier), chosen
    filters = channels if keep_shape else draw(st.integers(1, 5))
    layer = Conv(
        **common,
        filters=filters,
        kernel=geometry.size,
        strides=geometry.strides,
        padding=geometry.padding,
        dilation=geometry.dilation,
    )
    return layer, geometry.after(place.shape, filters), chosen


def sequence(
    draw: Draw, shape: Shape, common: dict[str, Any], *, keep_shape: bool
) -> tuple[Linear, Shape, Activation]:
    """A convolution over a sequence."""
    length, channels = shape
    filters = channels if keep_shape else draw(st.integers(1, 5))
    padding = "same" if keep_shape else draw(st.sampled_from(["same", "valid"]))
    kernel = window(draw, length)
    stride = 1 if keep_shape or chance(draw, 3) else draw(st.integers(1, 3))
    dilates = stride == 1 and (padding != "valid" or 2 * (kernel - 1) < length)
    dilation = draw(st.integers(1, 2)) if dilates else 1
    lost = (kernel - 1) * dilation if padding == "valid" else 0
    layer = Conv1d(
        **common, filters=filters, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
    return layer, ((length - lost - 1) // stride + 1, filters), common["activation"]


def sibling(draw: Draw, layer: Linear) -> tuple[Linear, Activation]:
    """A layer of the same geometry with weights and a quantizer of its own."""
    chosen = activation(draw)
    norm = chance(draw, 3) and not isinstance(layer, Conv1d)
    quantizers = weights(draw, chosen.integer, norm=norm)
    return replace(layer, weights=quantizers, activation=chosen, norm=norm), chosen
