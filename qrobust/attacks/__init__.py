"""Attacks on what ships: white box on Keras models, black box on the ``.tflite`` itself.

Everything is measured in steps of the integer input grid (LSB); adversarial inputs are integers.
TensorFlow, CleverHans and Matplotlib are loaded by what needs them, not by this import.
"""

from qrobust.attacks.budget import L2, LINF, Budget
from qrobust.attacks.carlini_wagner import carlini_wagner
from qrobust.attacks.cleverhans_attacks import basic_iterative, fast_gradient, momentum_iterative
from qrobust.attacks.deepfool import deepfool
from qrobust.attacks.grid import PixelGrid, distances, project, verify
from qrobust.attacks.hop_skip_jump import hop_skip_jump
from qrobust.attacks.keras_target import KerasTarget
from qrobust.attacks.masking import Check, Masking, masking_checks
from qrobust.attacks.projected_gradient import projected_gradient
from qrobust.attacks.random_search import random_search
from qrobust.attacks.search import Attacked, Search
from qrobust.attacks.smoothed_target import SmoothedTarget
from qrobust.attacks.smoothing import Broken, attack_certificates
from qrobust.attacks.spsa import spsa
from qrobust.attacks.square import square
from qrobust.attacks.suite import (
    SMALLEST_L2,
    black_box,
    masking_suite,
    robustness_curve,
    transferred,
    white_box,
    worst_case,
)
from qrobust.attacks.suite_settings import SuiteSettings, suite_settings
from qrobust.attacks.tflite_target import TFLiteTarget
from qrobust.attacks.transfer import Transfer, transfer_matrix

__all__ = [
    "L2",
    "LINF",
    "SMALLEST_L2",
    "Attacked",
    "Broken",
    "Budget",
    "Check",
    "KerasTarget",
    "Masking",
    "PixelGrid",
    "Search",
    "SuiteSettings",
    "SmoothedTarget",
    "TFLiteTarget",
    "Transfer",
    "attack_certificates",
    "basic_iterative",
    "black_box",
    "carlini_wagner",
    "deepfool",
    "distances",
    "fast_gradient",
    "hop_skip_jump",
    "masking_checks",
    "masking_suite",
    "momentum_iterative",
    "project",
    "projected_gradient",
    "random_search",
    "robustness_curve",
    "spsa",
    "square",
    "suite_settings",
    "transfer_matrix",
    "transferred",
    "verify",
    "white_box",
    "worst_case",
]
