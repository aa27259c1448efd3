"""Attacks on what ships: white box on Keras models, black box on the ``.tflite`` itself.

Everything is measured in steps of the integer input grid (LSB); adversarial inputs are integers.
TensorFlow, CleverHans and Matplotlib are loaded by what needs them, not by this import.
"""

from qrobust.attacks.budget import L2, LINF, Budget
from qrobust.attacks.grid import PixelGrid, distances, project, verify
from qrobust.attacks.keras_target import KerasTarget
from qrobust.attacks.projected_gradient import projected_gradient
from qrobust.attacks.search import Attacked
from qrobust.attacks.square import square
from qrobust.attacks.tflite_target import TFLiteTarget

__all__ = [
    "L2",
    "LINF",
    "Attacked",
    "Budget",
    "KerasTarget",
    "PixelGrid",
    "TFLiteTarget",
    "distances",
    "project",
    "projected_gradient",
    "square",
    "verify",
]
