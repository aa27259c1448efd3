"""Keras callbacks: schedules, certified accuracy, reproducible training."""

from qrobust.callbacks.bit_width_schedule import BitWidthSchedule
from qrobust.callbacks.certified_accuracy import CertifiedAccuracy
from qrobust.callbacks.freeze_statistics import FreezeStatistics
from qrobust.callbacks.interval_schedule import IntervalSchedule
from qrobust.callbacks.noise_schedule import NoiseSchedule
from qrobust.callbacks.reproducible_epochs import ReproducibleEpochs
from qrobust.callbacks.weight_schedule import WeightSchedule

__all__ = [
    "BitWidthSchedule",
    "CertifiedAccuracy",
    "FreezeStatistics",
    "IntervalSchedule",
    "NoiseSchedule",
    "ReproducibleEpochs",
    "WeightSchedule",
]
