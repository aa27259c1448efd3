"""Intervals through a Keras model: a box of inputs in, a box of every operation's output out.

The bounds are those of `qrobust.verify.intervals` on the exported integers, in the model's own
units: a weighted sum reaches its ends at corners, ``W c + b -+ |W| r`` with centre c and radius r,
and everything else here is monotone, so that its ends are its values at ends. Quantizers are
monotone and run as they are, with their straight-through gradients (QA-IBP, Lechner et al. 2023,
"Quantization-aware interval bound propagation for training certifiably robust quantized neural
networks"; Gowal et al. 2018 for real-valued networks). Where float32 holds the accumulators of the
exported network and their halves, which 2**23 steps bound, the two agree exactly.

Only what a training step can differentiate is done here; a proof is `qrobust.verify`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from qrobust.layers.effective_weights import effective_bias, effective_kernel
from qrobust.layers.grid_noise import GridNoise
from qrobust.layers.integer_global_average_pooling2d import IntegerGlobalAveragePooling2D
from qrobust.layers.jacobian_regularized import JacobianRegularized
from tflite_export.keras_private import is_model, nodes, walk
from tflite_export.lower.functions import function_name

_L = keras.layers

#: Rise with every input.
_RISING = (
    _L.InputLayer,
    _L.Add,
    _L.Concatenate,
    _L.Cropping2D,
    _L.Flatten,
    _L.GlobalAveragePooling2D,
    _L.GlobalMaxPooling2D,
    _L.AveragePooling2D,
    _L.MaxPooling2D,
    _L.Permute,
    _L.ReLU,
    _L.Reshape,
    _L.UpSampling2D,
    _L.ZeroPadding2D,
    GridNoise,
    IntegerGlobalAveragePooling2D,
)
#: Rise or fall with their input, number by number.
_EITHER = (_L.Rescaling, _L.Normalization, _L.BatchNormalization)
_FUNCTIONS = ("linear", "relu", "relu6", "sigmoid", "tanh")


@dataclass(frozen=True, eq=False)
class Ends:
    """Lower and upper ends of a tensor.

    Attributes:
        low: (batch, ...), in the model's units.
        high: likewise.
    """

    low: Any
    high: Any

    @classmethod
    def of(cls, centre: Any, radius: Any) -> "Ends":
        """``centre -+ radius``."""
        return cls(centre - radius, centre + radius)


def propagate(model: Any, box: Ends) -> Ends:
    """Return the ends of the output of a model of one input and one output.

    What is computed in inference is bounded: noise is off, batch norms use moving statistics.

    Raises:
        ValueError: an operation without bounds, by name.
    """
    output: Ends = walk(model, [box], bound)[0]
    return output


def bound(layer: Any, inputs: Sequence[Ends]) -> Ends:
    """Return the ends of one operation's output.

    Raises:
        ValueError: an operation without bounds, by name.
    """
    if isinstance(layer, JacobianRegularized):
        layer = layer.layer
    if is_model(layer):
        return propagate(layer, inputs[0])
    if is_linear(layer):
        sums = weighted_sum(layer, inputs[0])
        activation = layer.activation
        if activation is None:
            return sums
        _check_monotone(activation, layer)
        return Ends(activation(sums.low), activation(sums.high))
    known = isinstance(layer, _RISING + _EITHER)
    if not known and getattr(layer, "activation", None) is not None:
        _check_monotone(layer.activation, layer)
        known = True
    if not known:
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) has no interval bounds in training. "
            f"Build the model from dense, convolution, pooling, reshaping, adding and monotone "
            f"activation layers."
        )
    low, high = (_run(layer, [getattr(x, end) for x in inputs]) for end in ("low", "high"))
    if isinstance(layer, _EITHER):
        return Ends(ops.minimum(low, high), ops.maximum(low, high))
    return Ends(low, high)


def _run(layer: Any, tensors: list[Any]) -> Any:
    given = tensors[0] if len(tensors) == 1 else tensors
    return layer(given, training=False)


def is_linear(layer: Any) -> bool:
    """Whether a layer is a weighted sum with a kernel."""
    return isinstance(layer, _L.Dense | _L.Conv2D | _L.DepthwiseConv2D)


def weighted_sum(layer: Any, box: Ends) -> Ends:
    """Return the ends of a linear layer's sums, bias included, before its activation."""
    kernel = effective_kernel(layer)
    centre = _product(layer, (box.low + box.high) / 2, kernel) + effective_bias(layer)
    return Ends.of(centre, _product(layer, (box.high - box.low) / 2, ops.abs(kernel)))


def _product(layer: Any, inputs: Any, kernel: Any) -> Any:
    if isinstance(layer, _L.Dense):
        return ops.matmul(inputs, kernel)
    if isinstance(layer, _L.DepthwiseConv2D):
        return ops.depthwise_conv(
            inputs,
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )
    return layer.convolution_op(inputs, kernel)


def _check_monotone(activation: Any, layer: Any) -> None:
    rises = hasattr(activation, "grid") and getattr(activation, "rises", True)
    if function_name(activation) not in _FUNCTIONS and not rises:
        raise ValueError(
            f"Layer '{layer.name}': no interval bounds through {activation!r}. Use a quantizer of "
            f"qrobust.quantizers, {', '.join(_FUNCTIONS)}."
        )


def last_dense(model: Any) -> Any:
    """Return the dense layer that makes the logits, or None.

    Quantizers behind it are left out: they are the same for all classes and rise, so that what it
    computes decides which class is the largest, up to their steps.
    """
    order = list(nodes(model))
    while order and _is_quantizer(order[-1].operation):
        order.pop()
    last = order[-1].operation if order else None
    last = last.layer if isinstance(last, JacobianRegularized) else last
    plain = function_name(getattr(last, "activation", None)) == "linear"
    return last if isinstance(last, _L.Dense) and plain else None


def propagate_to(model: Any, last: Any, box: Ends) -> tuple[Ends, Ends]:
    """Return the ends of what a layer of the model reads, and of the model's output."""
    read: list[Ends] = []

    def visit(layer: Any, inputs: Sequence[Ends]) -> Ends:
        if last in (layer, getattr(layer, "layer", None)):
            read.append(inputs[0])
        return bound(layer, inputs)

    (output,) = walk(model, [box], visit)
    return read[-1], output


def _is_quantizer(layer: Any) -> bool:
    return not is_linear(layer) and hasattr(getattr(layer, "activation", None), "grid")
