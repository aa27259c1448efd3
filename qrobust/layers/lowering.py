"""How the exporter sees this package's layers: folded, unwrapped, or gone."""

from collections.abc import Sequence
from typing import Any

from qrobust.layers.input_noise import INPUT_NOISES
from tflite_export.lower import lower_layer, lowers
from tflite_export.lower.builder import Builder
from tflite_export.lower.keras_weights import real
from tflite_export.lower.linear import convolution, depthwise_convolution, fully_connected
from tflite_export.lower.pooling import global_average_pool
from tflite_export.lower.values import PendingInput, Result, Value

_LINEAR = {
    "Conv2DBatchNorm": convolution,
    "DepthwiseConv2DBatchNorm": depthwise_convolution,
    "DenseBatchNorm": fully_connected,
}


@lowers(*(f"qrobust.{name}" for name in _LINEAR))
def _folded(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    lower = _LINEAR[type(layer).__name__]
    return lower(layer, inputs[0], builder, real(layer.folded_kernel()), real(layer.folded_bias()))


@lowers(*(f"qrobust.{noise.__name__}" for noise in INPUT_NOISES))
def _grid_noise(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    value = inputs[0]
    # On the input it says what the input may hold; anywhere else it only vanishes.
    return value.on(layer.grid()) if isinstance(value, PendingInput) else value


_WRAPPERS = (
    "JacobianRegularized",
    "Consistency",
    "Distillation",
    "SmoothAdversarial",
    "Macer",
    "IntervalBounds",
    "WeightDistribution",
    "BoundarySamples",
)


@lowers(*(f"qrobust.{name}" for name in _WRAPPERS))
def _unwrapped(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    result: Result = lower_layer(layer.layer, inputs, builder)
    return result


@lowers("qrobust.IntegerGlobalAveragePooling2D")
def _average(layer: Any, inputs: Sequence[Value], builder: Builder) -> Result:
    return global_average_pool(
        inputs[0], builder, name=layer.name, share=layer.share, keepdims=layer.keepdims
    )
