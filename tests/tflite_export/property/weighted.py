"""Steps of a network that have weights: what one looks like, and the Keras layer that it means."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qkeras

from qrobust import layers

from .quantization import Activation, Weights

Pair = tuple[int, int]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Values:
    """A Keras tensor and about how large its values are, against which weights are scaled."""

    tensor: Any
    reach: float


class Step:
    """Something that makes a Keras tensor of another.

    Attributes:
        layer: makes the Keras layer that this step is; steps that are none override the call.
    """

    layer: Callable[[], Any]

    def __call__(self, x: Values) -> Values:
        """Apply the step; the values stay as large as they are unless a subclass knows better."""
        return Values(self.layer()(x.tensor), x.reach)


@dataclass(frozen=True)
class Linear(Step):
    """A layer with weights.

    Attributes:
        weights: of the layer.
        activation: of the layer; None to leave the sum for a later ``Quantize``.
        norm: fold a batch norm into it.
        times: how often the layer is applied: more than once shares it.
        regularized: wrap it in a ``JacobianRegularized``, which is gone at export.
    """

    weights: Weights
    activation: Activation | None = None
    norm: bool = False
    times: int = 1
    regularized: bool = False

    def __call__(self, x: Values) -> Values:
        layer = self.layer()
        called = layers.JacobianRegularized(layer, weight=0.1) if self.regularized else layer
        y = x.tensor
        for _ in range(self.times):
            y = called(y)
        self.weights.assign(layer, x.reach)
        return Values(y, self.activation.grid.high if self.activation else 2.0**self.weights.aim)

    def options(self, name: str, channel_axes: Shape = (-1,)) -> dict[str, Any]:
        activation = self.activation and self.activation.quantizer()
        return {"activation": activation, **self.weights.quantizers(name, channel_axes)}


@dataclass(frozen=True)
class Conv(Linear):
    filters: int = 1
    kernel: Pair = (1, 1)
    strides: Pair = (1, 1)
    padding: str = "valid"
    dilation: Pair = (1, 1)

    def layer(self) -> Any:
        kind = layers.Conv2DBatchNorm if self.norm else qkeras.QConv2D
        return kind(
            self.filters,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation,
            **self.options("kernel_quantizer"),
        )


@dataclass(frozen=True)
class Conv1d(Linear):
    filters: int = 1
    kernel: int = 1
    stride: int = 1
    padding: str = "valid"
    dilation: int = 1

    def layer(self) -> Any:
        return qkeras.QConv1D(
            self.filters,
            self.kernel,
            strides=self.stride,
            padding=self.padding,
            dilation_rate=self.dilation,
            **self.options("kernel_quantizer"),
        )


@dataclass(frozen=True)
class Depthwise(Linear):
    multiplier: int = 1
    kernel: Pair = (1, 1)
    stride: int = 1
    padding: str = "valid"
    dilation: Pair = (1, 1)
    channel_axes: Shape = (-2, -1)

    def layer(self) -> Any:
        kind = layers.DepthwiseConv2DBatchNorm if self.norm else qkeras.QDepthwiseConv2D
        name = "kernel_quantizer" if self.norm else "depthwise_quantizer"
        return kind(
            self.kernel,
            depth_multiplier=self.multiplier,
            strides=(self.stride, self.stride),
            padding=self.padding,
            dilation_rate=self.dilation,
            **self.options(name, self.channel_axes),
        )


@dataclass(frozen=True)
class Dense(Linear):
    units: int = 1

    def layer(self) -> Any:
        kind = layers.DenseBatchNorm if self.norm else qkeras.QDense
        return kind(self.units, **self.options("kernel_quantizer"))
