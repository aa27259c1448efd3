"""The weight of a term of the loss, as a variable that a schedule can change while training."""

from typing import Any

import keras
from keras import ops


class LossWeight:
    """For layers that add a term to the loss: its weight, not negative.

    A plain number would be frozen into the compiled training step.
    """

    def _make_weight(self: Any, value: float) -> None:
        if not 0 <= value < float("inf"):
            raise ValueError(f"weight is not negative. Received: weight={value}")
        self.initial_weight = float(value)
        self._weight = self.add_weight(
            name="loss_weight",
            shape=(),
            initializer=keras.initializers.Constant(value),
            trainable=False,
        )

    @property
    def weight(self: Any) -> float:
        """Of the term that is added to the loss."""
        return float(ops.convert_to_numpy(self._weight.value))

    @weight.setter
    def weight(self: Any, value: float) -> None:
        self._weight.assign(value)
