"""Training from recipes: everything needed to train a reference model again.

Public names load when first used: a recipe is read and refused without Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qrobust.training.defend import defend
    from qrobust.training.recipe import Recipe, read_recipe

_HOMES = {"Recipe": "recipe", "defend": "defend", "read_recipe": "recipe"}
__all__ = ["Recipe", "defend", "read_recipe"]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
