"""Sigma as a function of the epoch."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from qrobust.layers.grid_noise import GridNoise
from tflite_export.keras_private import layers_inside

Sigma = float | Sequence[float]


class NoiseSchedule(keras.callbacks.Callback):
    """Sets the sigma of every ``GridNoise`` layer when an epoch begins.

    The value (a range's upper end) appears as ``sigma`` in the epoch's logs, and so in CSV files,
    TensorBoard and the progress bar.

    Args:
        schedule: epoch, counted from 0 -> sigma in LSB, or a range ``(low, high)``.

    Raises:
        ValueError: the model has no ``GridNoise`` layer.
    """

    def __init__(self, schedule: Callable[[int], Sigma]) -> None:
        super().__init__()
        self.schedule = schedule

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the layers."""
        self._layers = [x for x in layers_inside(self.model) if isinstance(x, GridNoise)]
        if not self._layers:
            raise ValueError(
                f"NoiseSchedule found no GridNoise layer in model '{self.model.name}'. Put one "
                f"after the input."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Give every noise layer the schedule's sigma for this epoch."""
        for layer in self._layers:
            layer.sigma = self.schedule(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the largest sigma in force, in LSB, as ``sigma``."""
        if logs is not None:
            logs["sigma"] = self._layers[0].sigma[1]
