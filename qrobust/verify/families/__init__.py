"""Finite families of changed inputs, every member of which can be run."""

from qrobust.verify.families.family import Family
from qrobust.verify.families.make_family import FAMILIES, make_family

__all__ = ["FAMILIES", "Family", "make_family"]
