"""Training from recipes: everything needed to train a reference model again."""

from qrobust.training.defend import defend
from qrobust.training.recipe import Recipe, read_recipe

__all__ = ["Recipe", "defend", "read_recipe"]
