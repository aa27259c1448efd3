"""Small quantized networks: what one looks like, and the Keras model that it means.

A network is a tree of frozen dataclasses, so that a failing example prints as what one would type
to see it again: ``keras_model(Network(...))``. Weights follow from seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import qkeras

from qrobust import layers

from .quantization import Activation, Weights

L = keras.layers
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
