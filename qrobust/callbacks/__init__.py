"""Keras callbacks."""

from qrobust.callbacks.noise_schedule import NoiseSchedule

__all__ = ["NoiseSchedule"]
