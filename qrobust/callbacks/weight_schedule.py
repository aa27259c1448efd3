"""The weight of a defence as a function of the epoch."""

from collections.abc import Callable
from typing import Any

import keras

from qrobust.layers.loss_weight import LossWeight
from tflite_export.keras_private import layers_inside


class WeightSchedule(keras.callbacks.Callback):
    """Sets the weight of a defence's term of the loss when an epoch begins.

    For ``JacobianRegularized``, ``Consistency``, ``Distillation`` and ``Macer``; for instance a
    penalty that grows over ten epochs: ``WeightSchedule(lambda epoch: 1e-3 * min(1, (epoch + 1) /
    10))``. The value appears as ``loss_weight`` in the epoch's logs, and so in CSV files,
    TensorBoard and the progress bar.

    Args:
        schedule: epoch, counted from 0 -> weight, not negative.
        kind: of the layers whose weight is set; all of these by default.

    Raises:
        ValueError: the model has no such layer, or a weight is negative.
    """

    def __init__(self, schedule: Callable[[int], float], *, kind: Any = LossWeight) -> None:
        super().__init__()
        self.schedule = schedule
        self.kind = kind

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the layers."""
        layers = layers_inside(self.model)
        self._layers = [x for x in layers if isinstance(x, LossWeight) and isinstance(x, self.kind)]
        if not self._layers:
            raise ValueError(
                f"WeightSchedule found no {self.kind.__name__} layer in model '{self.model.name}'. "
                f"Wrap the model, or its layers, in a defence of qrobust.layers."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the weight."""
        self._now = float(self.schedule(epoch))
        if not 0 <= self._now < float("inf"):
            raise ValueError(f"The weight of epoch {epoch} is not negative. Received: {self._now}")
        for layer in self._layers:
            layer.weight = self._now

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the weight."""
        if logs is not None:
            logs["loss_weight"] = self._now
