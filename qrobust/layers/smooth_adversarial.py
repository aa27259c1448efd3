"""Adversarial training of the smoothed classifier, as a wrapper around a model."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.input_noise import input_noise
from qrobust.layers.model_wrapper import ModelWrapper, add_normalizer, check_classifier
from qrobust.layers.pgd import NORMS, pgd


@keras.saving.register_keras_serializable(package="qrobust")
class SmoothAdversarial(ModelWrapper):
    """Trains a noisy model on attacked inputs: SmoothAdv (Salman et al. 2019, SmoothAdv-PGD).

    The m noisy copies of an example share one perturbation, found by PGD on the smoothed loss::

        delta = argmax_{||delta|| <= epsilon} -log mean_i p_c(x + delta + noise_i)
        loss  = mean_i CE(p(x + delta + noise_i), y)

    The draws ``noise_i`` are the same in all steps of the attack and in the training step. The
    attack runs the model in inference behind its noise: batch norm uses its moving statistics and
    does not update them, quantized layers are those of the device (with their straight-through
    gradients). ``x + delta`` stays on the noise layer's range, but not on its integers.

    The label c that is attacked: a layer does not see y under plain ``fit``. So c is the smoothed
    model's own prediction on the same draws, a virtual label as in virtual adversarial training
    (Miyato et al. 2018). Wherever the prediction is right the attack is the paper's; wherever it
    is wrong the perturbation leads away from the wrong class, a weaker example. For the paper's
    attack everywhere, call the wrapper on ``[x, y]`` and fit on ``((x, y), y)``; then export
    the model inside, which has no such input.

    As in ``Consistency``, the wrapper returns ``mean_i log p_i`` in training, from which a
    cross-entropy *from logits* computes the loss up to ``logsumexp``, which is added here. In
    inference, and at export, only the model inside is left.

    Args:
        layer: a model with ``GridNoise`` on its input that ends in logits.
        epsilon: radius of the attack, in LSB of the input grid; the paper takes 1 to 4 sigma, in
            L2.
        steps: T of PGD; each goes ``2 * epsilon / steps``. A training step costs about
            ``copies * (1 + steps)`` plain ones.
        copies: m.
        norm: of the ball: "l2", the paper's, or "linf", for adversarial training (Madry et al.
            2018) under noise.

    Raises:
        ValueError: a negative epsilon, no steps or copies, another norm, a model without
            noise, of several inputs, or of one logit.
        RuntimeError: in training, where the backend is not TensorFlow.
    """

    def __init__(
        self,
        layer: Any,
        epsilon: float,
        *,
        steps: int = 2,
        copies: int = 2,
        norm: str = "l2",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("name", f"{layer.name}_smooth_adversarial")
        super().__init__(layer, **kwargs)
        if not 0 <= epsilon < float("inf"):
            raise ValueError(f"epsilon is not negative. Received: epsilon={epsilon}")
        if steps < 1 or copies < 1:
            raise ValueError(
                f"steps and copies are at least 1. Received: steps={steps}, copies={copies}"
            )
        if norm not in NORMS:
            raise ValueError(f"norm is one of {', '.join(NORMS)}. Received: norm={norm!r}")
        input_noise(layer)
        self.check_inside()
        self.epsilon = epsilon
        self.steps = steps
        self.copies = copies
        self.norm = norm

    def check_inside(self) -> None:
        """Refuse models that end in no logits."""
        check_classifier(self.layer, "SmoothAdversarial")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model; in training on attacked noisy copies. Inputs: x, or [x, labels]."""
        x, labels = inputs if isinstance(inputs, list | tuple) else (inputs, None)
        if not training:
            return self.layer(x, training=False)
        noise = input_noise(self.layer)
        draws = [(variable, ops.copy(variable)) for variable in noise.non_trainable_variables]
        adversarial = x + self._perturbation(x, labels, noise, draws)
        _rewind(draws)
        log_p = self._log_p(self.layer(self._repeated(adversarial), training=True))
        mean_log = ops.mean(log_p, axis=0)
        add_normalizer(self, ops.logsumexp(mean_log, axis=-1))
        return mean_log

    def _perturbation(self, x: Any, labels: Any, noise: Any, draws: list[Any]) -> Any:
        if self.epsilon == 0:
            return ops.zeros_like(x)

        def smoothed(x: Any) -> Any:
            _rewind(draws)
            noisy = noise(self._repeated(x), training=True)
            log_p = self._log_p(self.layer(noisy, training=False))
            return ops.logsumexp(log_p, axis=0) - ops.log(float(self.copies))

        step = 2.0**noise.exponent
        return pgd(
            smoothed,
            x,
            labels,
            epsilon=self.epsilon * step,
            steps=self.steps,
            low=noise.minimum * step,
            high=noise.maximum * step,
            norm=self.norm,
        )

    def _repeated(self, x: Any) -> Any:
        return ops.concatenate([x] * self.copies, axis=0)

    def _log_p(self, logits: Any) -> Any:
        """Shape (copies, batch, classes)."""
        log_p = ops.log_softmax(logits, axis=-1)
        return ops.reshape(log_p, (self.copies, -1, logits.shape[-1]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the model."""
        labelled = isinstance(input_shape[0], list | tuple)
        return self.layer.compute_output_shape(input_shape[0] if labelled else input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "steps": self.steps,
            "copies": self.copies,
            "norm": self.norm,
        }


def _rewind(draws: list[Any]) -> None:
    """Make a layer draw again what it drew."""
    for variable, value in draws:
        variable.assign(value)
