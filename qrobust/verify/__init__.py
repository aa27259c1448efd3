"""Proofs, not votes: certificates without an error probability.

Families of changes are enumerated through the file itself; boxes are bounded through its integer
graph. Needs NumPy and LiteRT only.
"""

from qrobust.verify.corners import Corners, load_corners, load_reach
from qrobust.verify.families import FAMILIES, Family, make_family
from qrobust.verify.methods import METHODS, register
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN, Counterexample, Outcome
from qrobust.verify.pixels import PixelBounds, pixel_bounds
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Box, FamilyOf, LinfBall, PixelChanges, make_region
from qrobust.verify.verify import verify

__all__ = [
    "FAMILIES",
    "METHODS",
    "PROVEN",
    "REFUTED",
    "UNKNOWN",
    "Box",
    "Corners",
    "Counterexample",
    "Family",
    "FamilyOf",
    "LinfBall",
    "Outcome",
    "PixelBounds",
    "PixelChanges",
    "Problem",
    "load_corners",
    "load_reach",
    "make_family",
    "make_region",
    "pixel_bounds",
    "register",
    "verify",
]
