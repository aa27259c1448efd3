"""Bit widths as a function of the epoch."""

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

import keras
import numpy as np

from qrobust.quantization.bit_widths import BitsByName
from qrobust.quantization.set_bits import current_bits, set_bits


class BitWidthSchedule(keras.callbacks.Callback):
    """Changes bit widths when an epoch begins, for instance 8 -> 4 -> 2 (progressive quantization).

    ``BitWidthSchedule({0: 8, 10: 4, 20: 2})``: from epoch 20 on weights have 2 bits, and so has
    the exported model. A training that resumes in epoch 15 has 4. The training function is compiled
    again at every change; weights and optimizer state stay.

    The mean bits over layers appear as ``weight_bits`` and ``activation_bits`` in the epoch's logs,
    and so in CSV files, TensorBoard and the progress bar.

    Args:
        weight_bits: epoch, counted from 0 -> bits, "ternary", or ``{pattern: bits}`` by layer name;
            see ``qrobust.quantization.set_bits``.
        activation_bits: likewise, of ReLU outputs.

    Weights of an epoch belong to its bits: an ``EarlyStopping(restore_best_weights=True)`` beside
    it must begin with the last change (``start_from_epoch``), which is checked.

    Raises:
        ValueError: an epoch that is none, nothing to change, an EarlyStopping that could bring back
            weights of other bits, or whatever ``set_bits`` refuses.
    """

    def __init__(
        self,
        weight_bits: Mapping[int, BitsByName] | None = None,
        *,
        activation_bits: Mapping[int, BitsByName] | None = None,
    ) -> None:
        super().__init__()
        self.weight_bits = dict(weight_bits or {})
        self.activation_bits = dict(activation_bits or {})
        epochs = [*self.weight_bits, *self.activation_bits]
        if not epochs or any(not isinstance(epoch, int) or epoch < 0 for epoch in epochs):
            raise ValueError(
                f"A schedule maps epochs, from 0, to bits. Received: weight_bits={weight_bits}, "
                f"activation_bits={activation_bits}"
            )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the bits of an earlier fit; refuse callbacks that bring back others."""
        last = max([*self.weight_bits, *self.activation_bits])
        for other in _beside():
            if getattr(other, "restore_best_weights", False) and other.start_from_epoch < last:
                raise ValueError(
                    f"{type(other).__name__}(restore_best_weights=True) could bring back weights "
                    f"of other bits than the last of this schedule, which begin in epoch {last}. "
                    f"Give it start_from_epoch={last}, or restore_best_weights=False."
                )
        self._in_force: tuple[BitsByName | None, BitsByName | None] = (None, None)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set what is new."""
        wanted = (_at(self.weight_bits, epoch), _at(self.activation_bits, epoch))
        if wanted == self._in_force:
            return
        weights, activations = (
            None if new == old else new for new, old in zip(wanted, self._in_force, strict=True)
        )
        set_bits(self.model, weight_bits=weights, activation_bits=activations)
        self._in_force = wanted

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the mean bits."""
        if logs is None:
            return
        for name, bits in zip(
            ("weight_bits", "activation_bits"), current_bits(self.model), strict=True
        ):
            if bits:
                logs[name] = float(np.mean(list(bits.values())))


def _beside() -> list[Any]:
    """The callbacks of the same training: Keras tells a callback nothing of the others.

    The list of them is what calls ``on_train_begin``, so it is found on the stack.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, keras.callbacks.CallbackList):
            return list(owner.callbacks)
        frame = frame.f_back
    return []


def _at(schedule: Mapping[int, BitsByName], epoch: int) -> BitsByName | None:
    """The entry in force in an epoch."""
    begun = [start for start in schedule if start <= epoch]
    return schedule[max(begun)] if begun else None
