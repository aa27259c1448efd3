"""Functions of somebody else's module, by the names that a recipe gives them.

Importing a module runs it. So this happens for ``qrobust train RECIPE --allow-code`` only, by which
a user says that he has read the recipe and the module.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def is_code(name: str) -> bool:
    """Whether a name of a recipe is ``module:function``."""
    return ":" in name


def named_code(name: str, what: str, *, allow_code: bool) -> Callable[..., Any]:
    """Import a module and return its function.

    Args:
        name: ``module:function``; Python has to find the module, installed or on ``PYTHONPATH``.
        what: the recipe's key, for messages, as "[data] name".
        allow_code: that the user said so; nothing is imported otherwise.

    Raises:
        ValueError: not allowed, no such module, or nothing in it that can be called.
    """
    if not allow_code:
        raise ValueError(
            f"{what} names code to run, {name!r}; a recipe runs none unless --allow-code is given"
        )
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function, None)
    except ImportError as error:
        raise ValueError(
            f"{what}: cannot import '{module}' ({error}). Install it, or put its folder on "
            "PYTHONPATH."
        ) from None
    if not callable(found):
        raise ValueError(f"{what}: '{module}' has no function '{function}'")
    made: Callable[..., Any] = found
    return made
