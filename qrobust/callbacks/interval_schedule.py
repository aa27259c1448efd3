"""Radius and weight of interval bounds as functions of the epoch."""

from collections.abc import Callable
from typing import Any

import keras

from qrobust.layers.interval_bounds import IntervalBounds
from tflite_export.keras_private import layers_inside


def ramp(*, start: float, end: float, warmup: float, epochs: float) -> Callable[[float], float]:
    """A value that stays for some epochs, then goes along a line, then stays again.

    Args:
        start: for the first ``warmup`` epochs.
        end: from ``warmup + epochs`` on.
        warmup: epochs, not negative.
        epochs: length of the line, not negative.

    Raises:
        ValueError: a negative number of epochs.
    """
    if warmup < 0 or epochs < 0:
        raise ValueError(
            f"warmup and epochs are not negative. Received: warmup={warmup}, epochs={epochs}"
        )

    def value(epoch: float) -> float:
        if epoch < warmup:
            return start
        share = min(1.0, (epoch - warmup) / epochs) if epochs else 1.0
        return start + (end - start) * share

    return value


class IntervalSchedule(keras.callbacks.Callback):
    """Sets epsilon and kappa of every ``IntervalBounds`` layer before each batch.

    Interval bounds of an untrained network explode with the radius; both papers therefore begin
    with kappa = 1 and epsilon = 0 and ramp to the final values. Time is counted in epochs, halfway
    through the third one as 2.5, so that the ramp is smooth. Values at the end of an epoch appear
    as ``epsilon`` and ``kappa`` in its logs.

    Args:
        epsilon: epochs gone -> radius in LSB, for instance ``ramp(start=0, end=25, warmup=2,
            epochs=20)``.
        kappa: epochs gone -> share of the plain loss.

    Raises:
        ValueError: the model has no ``IntervalBounds`` layer, or a value is out of its range.
    """

    def __init__(self, epsilon: Callable[[float], float], kappa: Callable[[float], float]) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.kappa = kappa
        self._epoch = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the layers."""
        self._layers = [x for x in layers_inside(self.model) if isinstance(x, IntervalBounds)]
        if not self._layers:
            raise ValueError(
                f"IntervalSchedule found no IntervalBounds layer in model '{self.model.name}'. "
                f"Wrap the model in qrobust.layers.IntervalBounds."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set both."""
        steps = (self.params or {}).get("steps") or 1
        now = self._epoch + batch / steps
        for layer in self._layers:
            layer.epsilon = self.epsilon(now)
            layer.kappa = self.kappa(now)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report both."""
        if logs is not None:
            logs["epsilon"] = self._layers[0].epsilon
            logs["kappa"] = self._layers[0].kappa
