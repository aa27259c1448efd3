"""Several networks of which one answers at random: expectation over their draw."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qrobust.attacks.targets.differentiable_target import DifferentiableTarget
from qrobust.attacks.targets.keras_target import KerasTarget


class MixtureTarget(DifferentiableTarget):
    r"""Logits and gradients of ``log sum_k w_k softmax(f_k(x))`` over networks.

    The gradient is that of the mean over all networks, so an attack follows what the draw of a
    network leaves on average (EOT over weights); for networks drawn by
    ``qrobust.ensembles.draw_members``, or members of an ensemble of an attacker's own. It is exact
    and draws nothing: an answer is that of the mixture, not of the one network that a device draws,
    and one query asks every network.

    Args:
        targets: the networks, of one input grid and one set of classes.
        weights: whole numbers, in proportion to how often each answers; equal by default.
        name: in reports.

    Raises:
        ValueError: no networks, networks that differ in input or classes, or weights that are none.

    Source:
        Athalye et al., ICML 2018, section 4.2.
    """

    def __init__(
        self,
        targets: Sequence[KerasTarget],
        weights: Sequence[int] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        if not targets:
            raise ValueError("A mixture has at least one network. Received: none")
        first = targets[0]
        for other in targets[1:]:
            if (other.grid, other.shape, other.classes) != (
                first.grid,
                first.shape,
                first.classes,
            ):
                raise ValueError(f"A mixture is of networks alike. Received: {first!r}, {other!r}")
        shares = [1] * len(targets) if weights is None else list(weights)
        if len(shares) != len(targets) or any(type(w) is not int or w < 1 for w in shares):
            raise ValueError(
                f"weights are {len(targets)} whole numbers, 1 or more. Received: {shares}"
            )
        self.name = name or f"mixture of {len(targets)}"
        self.grid, self.shape, self.classes = first.grid, first.shape, first.classes
        self.batch = max(1, first.batch // len(targets))
        self._targets = tuple(targets)
        self._log_shares = np.log(np.array(shares) / sum(shares)).astype(np.float32)
        self._compile()

    def model_fn(self, x: Any) -> Any:
        """Log of the mixture's class probabilities, of a float32 tensor in LSB."""
        import tensorflow as tf

        rows = [
            tf.nn.log_softmax(target.model_fn(x)) + share
            for target, share in zip(self._targets, self._log_shares, strict=True)
        ]
        return tf.reduce_logsumexp(tf.stack(rows), axis=0)
