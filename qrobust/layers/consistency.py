"""Consistency of predictions over noisy copies, as a wrapper around a model."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.loss_weight import LossWeight
from qrobust.layers.model_wrapper import (
    ModelWrapper,
    add_normalizer,
    check_classifier,
    check_draws,
    check_logits,
    check_one_input,
)


@keras.saving.register_keras_serializable(package="qrobust")
class Consistency(LossWeight, ModelWrapper):
    """Trains a noisy model to say the same to every noisy copy of an input (Jeong & Shin 2020).

    With ``p_i`` the prediction for copy i of m and ``p`` their mean, the loss of an example is ::

        mean_i CE(p_i, y) + weight * mean_i KL(p || p_i) + entropy * H(p)

    The model inside must draw fresh noise for every example it sees (``GridNoise``). The wrapper
    returns ``mean_i log p_i`` in training, from which a cross-entropy *from logits* computes the
    first term up to ``logsumexp``, which is added here; so the loss is exact under plain
    ``compile`` and ``fit``, class and sample weights included: they weigh the first term, as they
    do without this wrapper, and not the other two. In inference, and at export, only the model
    inside is left.

    Args:
        layer: a model that ends in logits.
        weight: of the KL term, in nats; 10 or 20 are usual.
        copies: m, at least 2; training costs as many times as much.
        entropy: weight of the entropy of the mean prediction.

    Raises:
        ValueError: a negative weight, fewer than two copies, or a model of several inputs, of one
            logit, that ends in a softmax, or in which nothing is random.
    """

    def __init__(
        self, layer: Any, weight: float, *, copies: int = 2, entropy: float = 0.5, **kwargs: Any
    ) -> None:
        kwargs.setdefault("name", f"{layer.name}_consistency")
        super().__init__(layer, **kwargs)
        if entropy < 0:
            raise ValueError(f"entropy is not negative. Received: entropy={entropy}")
        if copies < 2:
            raise ValueError(f"copies is at least 2. Received: copies={copies}")
        self._draws = bool(weight)
        self.check_inside()
        self._make_weight(weight)
        self.copies = copies
        self.entropy = entropy

    def check_inside(self) -> None:
        """Refuse models that end in no logits, or in which nothing draws."""
        check_classifier(self.layer, "Consistency")
        if self._draws:
            check_draws(self.layer, "Consistency")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model; in training on copies, adding the consistency terms to the loss."""
        if not training:
            return self.layer(inputs, training=False)
        check_one_input(inputs, "Consistency")
        repeated = ops.concatenate([inputs] * self.copies, axis=0)
        logits = self.layer(repeated, training=True)
        check_logits(logits.shape, "Consistency", self.layer.name)
        classes = logits.shape[-1]
        log_p = ops.reshape(ops.log_softmax(logits, axis=-1), (self.copies, -1, classes))
        mean_log = ops.mean(log_p, axis=0)
        log_mean = ops.logsumexp(log_p, axis=0) - ops.log(float(self.copies))
        mean = ops.exp(log_mean)
        # mean_i KL(p || p_i) = sum_c p (log p - mean_i log p_i)
        divergence = ops.sum(mean * (log_mean - mean_log), axis=-1)
        entropy = -ops.sum(mean * log_mean, axis=-1)
        normalizer = ops.logsumexp(mean_log, axis=-1)
        terms = ops.mean(self._weight * divergence + self.entropy * entropy)
        add_normalizer(self, normalizer, terms)
        return mean_log

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the model."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "weight": self.initial_weight,
            "copies": self.copies,
            "entropy": self.entropy,
        }
