"""Attacks on what ships: white box on Keras models, black box on the ``.tflite`` itself.

Everything is measured in steps of the integer input grid (LSB); adversarial inputs are integers.
TensorFlow, CleverHans and Matplotlib are loaded by what needs them, not by this import.
"""

from qrobust.attacks.black_box.hop_skip_jump import hop_skip_jump
from qrobust.attacks.black_box.random_search import random_search
from qrobust.attacks.black_box.sparse_search import sparse_search
from qrobust.attacks.black_box.spsa import spsa
from qrobust.attacks.black_box.square import square
from qrobust.attacks.evaluation.attack_certificates import Broken, attack_certificates
from qrobust.attacks.evaluation.losses import Losses, losses
from qrobust.attacks.evaluation.masking import Check, Masking, masking_checks
from qrobust.attacks.evaluation.standard_worst_case import WorstCase, standard_worst_case
from qrobust.attacks.evaluation.suite import (
    SMALLEST_L2,
    black_box,
    masking_suite,
    robustness_curve,
    transferred,
    white_box,
    worst_case,
)
from qrobust.attacks.evaluation.suite_settings import SuiteSettings, suite_settings
from qrobust.attacks.evaluation.transfer import Transfer, transfer_matrix
from qrobust.attacks.ground.budget import L0, L1, L2, LINF, PATCH, Budget
from qrobust.attacks.ground.pixel_grid import PixelGrid, distances, project, verify
from qrobust.attacks.ground.search import Attacked, Search
from qrobust.attacks.targets.counted_target import CountedTarget
from qrobust.attacks.targets.keras_target import KerasTarget
from qrobust.attacks.targets.mixture_target import MixtureTarget
from qrobust.attacks.targets.smoothed_target import SmoothedTarget
from qrobust.attacks.targets.tflite_target import TFLiteTarget
from qrobust.attacks.white_box.auto_projected_gradient import auto_projected_gradient
from qrobust.attacks.white_box.carlini_wagner import carlini_wagner
from qrobust.attacks.white_box.cleverhans_attacks import (
    basic_iterative,
    fast_gradient,
    momentum_iterative,
)
from qrobust.attacks.white_box.deepfool import deepfool
from qrobust.attacks.white_box.projected_gradient import projected_gradient

__all__ = [
    "L0",
    "L1",
    "L2",
    "LINF",
    "PATCH",
    "SMALLEST_L2",
    "Attacked",
    "Broken",
    "Budget",
    "Check",
    "CountedTarget",
    "KerasTarget",
    "Losses",
    "Masking",
    "MixtureTarget",
    "PixelGrid",
    "Search",
    "SuiteSettings",
    "SmoothedTarget",
    "TFLiteTarget",
    "Transfer",
    "WorstCase",
    "attack_certificates",
    "auto_projected_gradient",
    "basic_iterative",
    "black_box",
    "carlini_wagner",
    "deepfool",
    "distances",
    "fast_gradient",
    "hop_skip_jump",
    "losses",
    "masking_checks",
    "masking_suite",
    "momentum_iterative",
    "project",
    "projected_gradient",
    "random_search",
    "robustness_curve",
    "sparse_search",
    "spsa",
    "square",
    "standard_worst_case",
    "suite_settings",
    "transfer_matrix",
    "transferred",
    "verify",
    "white_box",
    "worst_case",
]
