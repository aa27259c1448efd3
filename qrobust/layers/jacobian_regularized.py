"""A wrapper that adds the Jacobian of what it wraps to the loss."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.effective_weights import effective_kernel
from qrobust.layers.folded_batch_norm import FoldedBatchNorm
from qrobust.layers.jacobian import (
    conv_jacobian,
    dense_jacobian,
    depthwise_jacobian,
    logits_jacobian,
)
from qrobust.layers.loss_weight import LossWeight
from qrobust.layers.model_wrapper import ModelWrapper, check_one_device, check_one_input


@keras.saving.register_keras_serializable(package="qrobust")
class JacobianRegularized(LossWeight, ModelWrapper):
    """Runs a layer or a model and, in training, adds a penalty on its Jacobian to the loss.

    Around a dense, convolution or depthwise layer (float, QKeras or folded): the per-layer penalty
    ``weight * mean_batch ||d a / d x||_F**2`` in closed form, which needs no extra backward pass.
    ``phi'`` of a quantized activation is the surrogate that training uses. The kernel of a folded
    layer is the one of its moving statistics, which is exported; its gradient goes through the
    batch's statistics, which would undo a smaller kernel (``FoldedBatchNorm.with_kernel``). So fold
    a batch norm behind the layer: ``qrobust.training.apply_defence.defend`` does.

    Around a whole model: the penalty on its logits of Hoffman et al. 2019,
    ``weight / 2 * mean_batch ||d logits / d x||_F**2``, estimated from random projections.

    In inference, and at export, only what it wraps is left.

    Args:
        layer: a layer with a kernel and an activation of known derivative, or a model that ends in
            logits.
        weight: of the penalty, not negative.
        projections: for models: random projections a batch, or -1 for the exact norm.
        seed: of the projections.

    Raises:
        ValueError: a negative weight, or a layer whose Jacobian has no closed form here: of another
            kind, with an activation of unknown derivative, or channels first.
    """

    def __init__(
        self,
        layer: Any,
        weight: float,
        *,
        projections: int = 1,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("name", f"{layer.name}_jacobian")
        super().__init__(layer, **kwargs)
        if projections < 1 and projections != -1:
            raise ValueError(
                f"projections is at least 1, or -1 for all. Received: projections={projections}"
            )
        self._make_weight(weight)
        self.projections = projections
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)
        if not self.wraps_model:
            _check_layer(layer)

    @property
    def wraps_model(self) -> bool:
        """Whether the penalty is on the logits of a whole model."""
        return isinstance(self.layer, keras.Model)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run what is wrapped; in training, add the penalty."""
        if not training:
            return self.layer(inputs, training=False)
        check_one_input(inputs, "JacobianRegularized")
        check_one_device("JacobianRegularized")
        if self.wraps_model:
            logits, norms = logits_jacobian(
                lambda x: self.layer(x, training=True),
                inputs,
                projections=self.projections,
                generator=self._generator,
            )
            self.add_loss(self._weight / 2 * ops.mean(norms))
            return logits
        # The activation is applied here, so that its derivative is taken where it belongs.
        activation = self.layer.activation
        if isinstance(self.layer, FoldedBatchNorm):
            z, kernel = self.layer.with_kernel(inputs)
        else:
            kernel = effective_kernel(self.layer)
            self.layer.activation = keras.activations.linear
            try:
                z = self.layer(inputs, training=True)
            finally:
                self.layer.activation = activation
        derivative = derivative_of(activation, z)
        self.add_loss(self._weight * _layer_jacobian(self.layer, kernel, inputs, derivative))
        return z if activation is None else activation(z)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of what is wrapped."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "weight": self.initial_weight,
            "projections": self.projections,
            "seed": self.seed,
        }


def derivative_of(activation: Any, z: Any) -> Any:
    """``phi'(z)``; that of a quantizer is its surrogate, and the identity's is 1.0.

    Raises:
        ValueError: the activation's derivative is not known here.
    """
    if activation is None or activation is keras.activations.linear:
        return 1.0
    if hasattr(activation, "derivative"):
        return activation.derivative(z)
    known = {
        keras.activations.relu: lambda: ops.cast(z > 0, z.dtype),
        keras.activations.tanh: lambda: 1 - ops.square(ops.tanh(z)),
        keras.activations.sigmoid: lambda: ops.sigmoid(z) * (1 - ops.sigmoid(z)),
    }
    if activation not in known:
        raise ValueError(
            f"The derivative of {activation} is not known. Use linear, relu, tanh, sigmoid or a "
            f"quantizer of qrobust.quantizers."
        )
    return known[activation]()


def _check_layer(layer: Any) -> None:
    if not isinstance(layer, keras.layers.Dense | keras.layers.Conv2D) and not _is_depthwise(layer):
        raise ValueError(
            f"'{layer.name}' ({type(layer).__name__}) has no Jacobian in closed form here. Wrap a "
            f"Dense, Conv2D or DepthwiseConv2D layer, or a whole model."
        )

    if getattr(layer, "groups", 1) != 1:
        raise ValueError(
            f"The Jacobian of '{layer.name}' is computed for one group only. Received: "
            f"groups={layer.groups}"
        )
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(
            f"The Jacobian of '{layer.name}' is computed for channels_last only. Received: "
            f"data_format={layer.data_format!r}"
        )
    derivative_of(layer.activation, ops.zeros((1, 1)))


def _is_depthwise(layer: Any) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)


def _layer_jacobian(layer: Any, kernel: Any, inputs: Any, derivative: Any) -> Any:
    if isinstance(layer, keras.layers.Dense):
        if isinstance(derivative, float):
            derivative = ops.full((1, *inputs.shape[1:-1], 1), derivative)
        return dense_jacobian(kernel, derivative)
    geometry = {
        "shape": tuple(inputs.shape[1:3]),
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation_rate": layer.dilation_rate,
    }
    if _is_depthwise(layer):
        return depthwise_jacobian(kernel, derivative, **geometry)
    return conv_jacobian(kernel, derivative, **geometry)
