"""Training for proofs: interval bounds of the logits in the loss, as a wrapper around a model."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.effective_weights import effective_bias, effective_kernel
from qrobust.layers.input_noise import input_noise
from qrobust.layers.interval_arithmetic import Ends, last_dense, propagate, propagate_to
from qrobust.layers.model_wrapper import (
    ModelWrapper,
    add_normalizer,
    check_classifier,
    check_logits,
    check_one_input,
)


@keras.saving.register_keras_serializable(package="qrobust")
class IntervalBounds(ModelWrapper):
    """Trains a model whose label interval arithmetic can prove (IBP; through quantizers, QA-IBP).

    With ``z`` the logits of an example and ``u`` those of the worst case that interval arithmetic
    allows in the L-inf ball of radius epsilon around it, cut to the input's grid, the loss is ::

        kappa * CE(z, y) + (1 - kappa) * CE(u, y),    u_c = max (z_c - z_y) over the box

    after Gowal et al. 2018 ("On the Effectiveness of Interval Bound Propagation for Training
    Verifiably Robust Models"), through the quantizers with straight-through gradients as Lechner et
    al. 2023 (QA-IBP) do. Differences are bounded through a dense last layer where there is one, as
    the proof bounds them. What is bounded is the network of inference, that of the exported
    integers: no noise, moving statistics.

    A layer does not see y under plain ``fit``, so the worst case is computed for *every* label:
    the wrapper returns, in training, ``kappa * log p_k(z) + (1 - kappa) * log p_k(u of label k)``
    for each k, from which a cross-entropy *from logits* computes the loss up to ``logsumexp``,
    which is added here: exact, class and sample weights included. In inference, and at export, only
    the model inside is left. A training step costs three to four plain ones.

    Args:
        layer: a model with ``GridNoise`` on its input (sigma 0 for none) that ends in logits.
        epsilon: radius in LSB of the input grid.
        kappa: share of the plain loss, 0 to 1; 0.5 is the paper's at the end of its schedule.

    Raises:
        ValueError: a negative epsilon, kappa outside 0 to 1, a model without ``GridNoise``, of
            several inputs or of one logit, or with an operation that has no bounds.
    """

    def __init__(self, layer: Any, epsilon: float, *, kappa: float = 0.5, **kwargs: Any) -> None:
        kwargs.setdefault("name", f"{layer.name}_intervals")
        super().__init__(layer, **kwargs)
        self.check_inside()
        noise = input_noise(layer)
        self._step = 2.0**noise.exponent
        self._range = (noise.minimum * self._step, noise.maximum * self._step)
        self.initial_epsilon = checked_epsilon(epsilon)
        self.initial_kappa = checked_kappa(kappa)
        self._epsilon = self._scalar("epsilon", self.initial_epsilon)
        self._kappa = self._scalar("kappa", self.initial_kappa)
        shape = (1, *layer.inputs[0].shape[1:])
        propagate(layer, Ends(ops.zeros(shape), ops.zeros(shape)))  # refuses what has no bounds

    def _scalar(self, name: str, value: float) -> Any:
        """A variable: a plain number would be frozen into the compiled training step."""
        return self.add_weight(
            name=name,
            shape=(),
            initializer=keras.initializers.Constant(value),
            trainable=False,
        )

    @property
    def epsilon(self) -> float:
        """Radius of the ball, in LSB."""
        return float(ops.convert_to_numpy(self._epsilon.value))

    @epsilon.setter
    def epsilon(self, value: float) -> None:
        self._epsilon.assign(checked_epsilon(value))

    @property
    def kappa(self) -> float:
        """Share of the plain loss."""
        return float(ops.convert_to_numpy(self._kappa.value))

    @kappa.setter
    def kappa(self, value: float) -> None:
        self._kappa.assign(checked_kappa(value))

    def check_inside(self) -> None:
        """Refuse models that end in no logits."""
        check_classifier(self.layer, "IntervalBounds")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model; in training also on the box, mixing both losses for every label."""
        if not training:
            return self.layer(inputs, training=False)
        check_one_input(inputs, "IntervalBounds")
        logits = self.layer(inputs, training=True)
        check_logits(logits.shape, "IntervalBounds", self.layer.name)
        worst = worst_log_p(self.excess(self.box(inputs)))
        mixed = self._kappa * ops.log_softmax(logits, axis=-1) + (1 - self._kappa) * worst
        add_normalizer(self, ops.logsumexp(mixed, axis=-1))
        return mixed

    def box(self, inputs: Any) -> Ends:
        """The ball around inputs, cut to the grid's range; in the model's units."""
        low, high = self._range
        reach = self._epsilon * self._step
        return Ends(
            ops.clip(inputs - reach, low, high),
            ops.clip(inputs + reach, low, high),
        )

    def excess(self, box: Ends) -> Any:
        """How far class c may lie above label k in a box, upper bounds: (batch, k, c), 0 at c = k.

        Through the last layer where it is dense and quantizers are all that follows, as sums before
        rounding; from the ends of the logits otherwise.
        """
        last = last_dense(self.layer)
        if last is None:
            logits = propagate(self.layer, box)
            upper = ops.expand_dims(logits.high, 1) - ops.expand_dims(logits.low, 2)
            return upper * (1 - ops.eye(upper.shape[-1], dtype=upper.dtype))
        read, _ = propagate_to(self.layer, last, box)
        kernel, bias = effective_kernel(last), effective_bias(last)
        # (inputs, k, c): the kernel of acc_c - acc_k.
        kernel = ops.expand_dims(kernel, 1) - ops.expand_dims(kernel, 2)
        bias = ops.broadcast_to(bias, kernel.shape[-1:])
        classes = kernel.shape[-1]
        flat = ops.reshape(kernel, (-1, classes**2))
        upper = ops.matmul((read.low + read.high) / 2, flat)
        upper = upper + ops.matmul((read.high - read.low) / 2, ops.abs(flat))
        offset = ops.expand_dims(bias, 0) - ops.expand_dims(bias, 1)
        return ops.reshape(upper, (-1, classes, classes)) + offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the model."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "epsilon": self.initial_epsilon,
            "kappa": self.initial_kappa,
        }


def worst_log_p(excess: Any) -> Any:
    """``log p_k`` of the worst case of label k: ``-logsumexp_c excess[k, c]``, (batch, classes)."""
    return -ops.logsumexp(excess, axis=-1)


def checked_epsilon(value: float) -> float:
    """Return a radius; `ValueError` where it is none."""
    if not 0 <= value < float("inf"):
        raise ValueError(f"epsilon is not negative. Received: epsilon={value}")
    return float(value)


def checked_kappa(value: float) -> float:
    """Return a share; `ValueError` where it is none."""
    if not 0 <= value <= 1:
        raise ValueError(f"kappa is a share, 0 to 1. Received: kappa={value}")
    return float(value)
