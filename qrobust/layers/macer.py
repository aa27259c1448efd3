"""Training that widens the certified radius itself, as a wrapper around a model."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.input_noise import input_noise
from qrobust.layers.loss_weight import LossWeight
from qrobust.layers.model_wrapper import (
    ModelWrapper,
    add_normalizer,
    check_classifier,
    check_logits,
    check_one_input,
)

# Beyond +-5.2 sigma the hinge is long satisfied; float32 ends soon after.
_LEAST = 1e-7


@keras.saving.register_keras_serializable(package="qrobust")
class Macer(LossWeight, ModelWrapper):
    """Maximizes the soft certified radius of a noisy model: MACER (Zhai et al. 2020, algorithm 1).

    With ``z = mean_i softmax(u_i)`` and ``z' = mean_i softmax(beta * u_i)`` over the logits u_i of
    m noisy copies, c the class of the largest entry of ``z'`` and c2 of the next, the loss of an
    example is ::

        -log z_y + weight * sigma / 2 * max(gamma - xi, 0) * [c = y]
        xi = Phi^-1(z'_c) - Phi^-1(z'_c2)

    ``sigma / 2 * xi`` is the radius that Cohen's bound would certify with ``z'`` for probabilities.
    sigma is that of the model's ``GridNoise`` (of a range: its middle) as a share of 256 LSB, the
    [0, 1] scale of pixels, so that the paper's weights carry over.

    A layer does not see y under plain ``fit``, but only the indicator depends on it. So the hinge
    h of an example is taken from the log-probability of its class c: ``log z_y - h * [c = y]``,
    and a cross-entropy *from logits* of that, with the ``logsumexp`` that is added here, has
    exactly the gradient of the whole loss. Its *value* is left out of the outputs, so that
    ``metrics=["accuracy"]`` keeps its meaning; the loss that Keras prints is the first term. The
    mean of the soft radius of class c, in LSB and up to ``gamma * sigma / 2`` an example, is
    logged as ``soft_radius``.

    In inference, and at export, only the model inside is left.

    Args:
        layer: a model with ``GridNoise`` on its input that ends in logits.
        weight: lambda in the paper, there 12 for a sigma of 0.25 on the [0, 1] scale.
        copies: m (k in the paper), at least 1; training costs as many times as much.
        gamma: margin of the hinge, in units of ``sigma / 2``; beyond 10 float32 cannot tell.
        beta: inverse temperature of the softmax of the radius.

    Raises:
        ValueError: a negative weight, gamma or beta not positive, no copies, a model
            without noise, of several inputs, or of one logit.
    """

    def __init__(
        self,
        layer: Any,
        weight: float,
        *,
        copies: int = 16,
        gamma: float = 8.0,
        beta: float = 16.0,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("name", f"{layer.name}_macer")
        super().__init__(layer, **kwargs)
        if not (gamma > 0 and beta > 0):
            raise ValueError(f"gamma and beta are positive. Received: gamma={gamma}, beta={beta}")
        if copies < 1:
            raise ValueError(f"copies is at least 1. Received: copies={copies}")
        input_noise(layer)
        self.check_inside()
        self._make_weight(weight)
        self.copies = copies
        self.gamma = gamma
        self.beta = beta
        self._soft_radius = keras.metrics.Mean(name="soft_radius")

    def check_inside(self) -> None:
        """Refuse models that end in no logits."""
        check_classifier(self.layer, "Macer")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model; in training on copies, with the radius in the gradient."""
        if not training:
            return self.layer(inputs, training=False)
        check_one_input(inputs, "Macer")
        repeated = ops.concatenate([inputs] * self.copies, axis=0)
        logits = self.layer(repeated, training=True)
        check_logits(logits.shape, "Macer", self.layer.name)
        classes = logits.shape[-1]
        logits = ops.reshape(logits, (self.copies, -1, classes))
        log_z = ops.logsumexp(ops.log_softmax(logits, axis=-1), axis=0)
        log_z = log_z - ops.log(float(self.copies))
        soft = ops.mean(ops.softmax(self.beta * logits, axis=-1), axis=0)
        (first, second), chosen = _two_largest(soft)
        margin = ops.minimum(_normal_quantile(first) - _normal_quantile(second), self.gamma)
        half_sigma = ops.mean(ops.convert_to_tensor(input_noise(self.layer).weights[0])) / 2
        self._soft_radius.update_state(half_sigma * margin)
        hinge = self._weight * half_sigma / 256 * (self.gamma - margin)
        taken = ops.one_hot(chosen, classes, dtype=log_z.dtype) * ops.expand_dims(hinge, -1)
        outputs = log_z - (taken - ops.stop_gradient(taken))
        add_normalizer(self, ops.logsumexp(outputs, axis=-1))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the model."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "weight": self.initial_weight,
            "copies": self.copies,
            "gamma": self.gamma,
            "beta": self.beta,
        }


def _two_largest(p: Any) -> tuple[tuple[Any, Any], Any]:
    """The two largest of (batch, classes), and the index of the largest."""
    values, indices = ops.top_k(p, k=2)
    return (values[:, 0], values[:, 1]), indices[:, 0]


def _normal_quantile(p: Any) -> Any:
    """``Phi^-1(p)``, held at +-5.2 where its gradient would leave float32."""
    return 2.0**0.5 * ops.erfinv(2 * ops.clip(p, _LEAST, 1 - _LEAST) - 1)
