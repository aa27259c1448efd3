"""Small quantized networks: what one looks like, and the Keras model that it means.

A network is a tree of frozen dataclasses, so that a failing example prints as what one would type
to see it again: ``keras_model(Network(...))``. Weights follow from seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import qkeras

from qrobust import layers

from .quantization import Activation
from .weighted import Pair, Shape, Step, Values

L = keras.layers


@dataclass(frozen=True)
class Quantize(Step):
    """A quantizer on its own."""

    activation: Activation

    def __call__(self, x: Values) -> Values:
        return Values(
            qkeras.QActivation(self.activation.quantizer())(x.tensor), self.activation.grid.high
        )


@dataclass(frozen=True)
class PlainRelu(Step):
    """Keras's own ReLU, which quantizes nothing."""

    as_layer: bool = True

    def layer(self) -> Any:
        return L.ReLU() if self.as_layer else L.Activation("relu")


@dataclass(frozen=True)
class Softmax(Step):
    """The end of a classifier, which the export leaves out."""

    as_layer: bool = True

    def layer(self) -> Any:
        return L.Softmax() if self.as_layer else L.Activation("softmax")


@dataclass(frozen=True)
class MaxPool(Step):
    pool: Pair
    strides: Pair
    padding: str = "valid"

    def layer(self) -> Any:
        return L.MaxPooling2D(self.pool, self.strides, self.padding)


@dataclass(frozen=True)
class GlobalMax(Step):
    keepdims: bool = False

    def layer(self) -> Any:
        return L.GlobalMaxPooling2D(keepdims=self.keepdims)


@dataclass(frozen=True)
class ZeroPad(Step):
    rows: Pair
    columns: Pair

    def layer(self) -> Any:
        return L.ZeroPadding2D((self.rows, self.columns))


@dataclass(frozen=True)
class Crop(Step):
    rows: Pair
    columns: Pair

    def layer(self) -> Any:
        return L.Cropping2D((self.rows, self.columns))


@dataclass(frozen=True)
class UpSample(Step):
    factors: Pair

    def layer(self) -> Any:
        return L.UpSampling2D(self.factors)


@dataclass(frozen=True)
class Permute(Step):
    axes: Shape

    def layer(self) -> Any:
        return L.Permute(self.axes)


@dataclass(frozen=True)
class Average(Step):
    """The average over the picture; with ``nearest`` of a share that is exact for any size."""

    nearest: bool
    keepdims: bool = False

    def layer(self) -> Any:
        kind = layers.IntegerGlobalAveragePooling2D if self.nearest else L.GlobalAveragePooling2D
        return kind(keepdims=self.keepdims)


@dataclass(frozen=True)
class LocalAverage(Step):
    pool: Pair

    def layer(self) -> Any:
        return L.AveragePooling2D(self.pool)


@dataclass(frozen=True)
class Flatten(Step):
    def layer(self) -> Any:
        return L.Flatten()


@dataclass(frozen=True)
class Reshape(Step):
    shape: Shape

    def layer(self) -> Any:
        return L.Reshape(self.shape)


@dataclass(frozen=True)
class Dropout(Step):
    def layer(self) -> Any:
        return L.Dropout(0.5)


@dataclass(frozen=True)
class Noise(Step):
    """``GridNoise``: right after the input it says what the input may hold."""

    exponent: int
    minimum: int = 0
    maximum: int = 255

    def __call__(self, x: Values) -> Values:
        grid = self.layer().grid()
        return Values(self.layer()(x.tensor), min(x.reach, grid.reach * grid.step))

    def layer(self) -> Any:
        return layers.GridNoise(
            1.0, exponent=self.exponent, minimum=self.minimum, maximum=self.maximum
        )


@dataclass(frozen=True)
class Rescale(Step):
    """Values times ``2**exponent``."""

    exponent: int

    def __call__(self, x: Values) -> Values:
        return Values(L.Rescaling(2.0**self.exponent)(x.tensor), x.reach * 2.0**self.exponent)


@dataclass(frozen=True)
class Sum(Step):
    """Branches of one shape, added; an empty branch is the input itself."""

    branches: tuple[tuple[Step, ...], ...]

    def __call__(self, x: Values) -> Values:
        ends = [apply(branch, x) for branch in self.branches]
        return Values(L.Add()([end.tensor for end in ends]), sum(end.reach for end in ends))


@dataclass(frozen=True)
class Concat(Step):
    """The channels of all branches side by side."""

    branches: tuple[tuple[Step, ...], ...]

    def __call__(self, x: Values) -> Values:
        ends = [apply(branch, x) for branch in self.branches]
        joined = L.Concatenate()([end.tensor for end in ends])
        return Values(joined, max(end.reach for end in ends))


@dataclass(frozen=True)
class Nested(Step):
    """A model of its own inside the model, applied one or more times."""

    steps: tuple[Step, ...]
    times: int = 1

    def __call__(self, x: Values) -> Values:
        inputs = keras.Input(x.tensor.shape[1:])
        inside = apply(self.steps, Values(inputs, x.reach))
        model = keras.Model(inputs, inside.tensor)
        y = x.tensor
        for _ in range(self.times):
            y = model(y)
        return Values(y, inside.reach)


@dataclass(frozen=True)
class Network:
    """A whole network.

    Attributes:
        shape: of the input, without the batch.
        steps: in their order.
        also: index of a step whose result is a second output; None for one output.
    """

    shape: Shape
    steps: tuple[Step, ...]
    also: int | None = None


def apply(steps: Sequence[Step], x: Values) -> Values:
    """Steps in their order."""
    for step in steps:
        x = step(x)
    return x


def keras_model(network: Network) -> Any:
    """The Keras model that a description means."""
    # Names start over; collecting garbage every time would cost more than the rest.
    keras.backend.clear_session(free_memory=False)
    inputs = keras.Input(network.shape)
    x = Values(inputs, 255.0)
    outputs = []
    for index, step in enumerate(network.steps):
        x = step(x)
        if index == network.also:
            outputs.append(x.tensor)
    return keras.Model(inputs, [x.tensor, *outputs] if outputs else x.tensor)
