"""Keras callbacks."""

from qrobust.callbacks.bit_width_schedule import BitWidthSchedule
from qrobust.callbacks.noise_schedule import NoiseSchedule

__all__ = ["BitWidthSchedule", "NoiseSchedule"]
