"""The quantized numbers of small networks: activations, and weights drawn from a seed."""

from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np

from qrobust.quantizers import FixedPoint, PowerOfTwoWeights, QuantizedBits, QuantizedRelu, Ternary
from tflite_export import Grid

L = keras.layers
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Relu:
    """``QuantizedRelu``."""

    bits: int
    integer: int

    @property
    def grid(self) -> Grid:
        return self.quantizer().grid()

    def quantizer(self) -> Any:
        return QuantizedRelu(self.bits, self.integer)


@dataclass(frozen=True)
class Bits:
    """``QuantizedBits``."""

    bits: int
    integer: int
    symmetric: bool = False

    @property
    def grid(self) -> Grid:
        return self.quantizer().grid()

    def quantizer(self) -> Any:
        return QuantizedBits(self.bits, self.integer, self.symmetric)


Activation = Relu | Bits


@dataclass(frozen=True)
class Weights:
    """Random weights and their quantizer.

    Attributes:
        bits: 2 to 6, or None for ternary ones.
        scale: of ``PowerOfTwoWeights``.
        aim: log2 of about how large the layer's outputs should be.
        spread: channels differ in size by up to ``2**spread``.
        bias_bits: fraction bits of the bias; None for no bias.
        seed: of the numbers.
        silent: whether the first channel's weights are all zero.
    """

    bits: int | None
    scale: str
    aim: int
    spread: int
    bias_bits: int | None
    seed: int
    silent: bool = False

    def quantizers(self, name: str, channel_axes: Shape = (-1,)) -> dict[str, Any]:
        """What a layer's constructor takes."""
        if self.bits is None:
            quantizer = Ternary(channel_axes)
        else:
            quantizer = PowerOfTwoWeights(self.bits, self.scale, channel_axes)
        bias = {} if self.bias_bits is None else {"bias_quantizer": FixedPoint(self.bias_bits)}
        return {name: quantizer, "use_bias": self.bias_bits is not None, **bias}

    def assign(self, layer: Any, reach: float) -> None:
        """Draw the weights of a built layer whose inputs are about ``reach`` large."""
        rng = np.random.default_rng(self.seed)
        depthwise = isinstance(layer, L.DepthwiseConv2D)
        kernel = layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel
        per_channel = kernel.shape[-2:] if depthwise else kernel.shape[-1:]
        inputs = prod(kernel.shape) // prod(per_channel)
        sizes = np.exp2(self.aim - rng.integers(0, self.spread + 1, per_channel))
        sizes[(0,) * sizes.ndim] *= not self.silent
        drawn = rng.normal(0, 1, kernel.shape)
        kernel.assign(drawn * sizes / (reach * np.sqrt(inputs)))
        channels = (prod(per_channel),)
        bias = rng.normal(0, 0.5, channels) * 2.0**self.aim
        if hasattr(layer, "moving_variance"):
            layer.gamma.assign(rng.uniform(0.5, 1.5, channels) * rng.choice([-1, 1], channels))
            layer.beta.assign(bias)
            layer.moving_mean.assign(rng.normal(0, 0.2, channels) * 2.0**self.aim)
            layer.moving_variance.assign(rng.uniform(0.3, 3, channels))
        elif self.bias_bits is not None:
            layer.bias.assign(bias)
