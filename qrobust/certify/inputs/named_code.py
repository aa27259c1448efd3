"""Functions of somebody else's module, by the names that a recipe or a command line gives them.

Importing a module runs it. So this happens with ``--allow-code`` only, by which a user says that he
has read what is named, and the module.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.data import Data, make_data
from tflite_export.printable import printable


def is_code(name: str) -> bool:
    """Whether a name is ``module:function``."""
    return ":" in name


def is_module_function(name: str | Path) -> bool:
    """Whether an argument that may be a path is ``module:function``: an existing path is none."""
    module, _, function = str(name).partition(":")
    words = [*module.split("."), function]
    return all(word.isidentifier() for word in words) and not Path(name).exists()


def named_code(name: str, what: str, *, allow_code: bool) -> Callable[..., Any]:
    """Import a module and return its function.

    Args:
        name: ``module:function``; Python has to find the module, installed or on ``PYTHONPATH``.
        what: who names it, for messages, as "[data] name".
        allow_code: that the user said so; nothing is imported otherwise.

    Raises:
        CertifyError: not allowed, no such module, or nothing in it that can be called.
    """
    if not allow_code:
        raise CertifyError(
            f"{what} names code to run, {name!r}; none is run unless --allow-code is given"
        )
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function, None)
    except ImportError as error:
        raise CertifyError(
            f"{what}: cannot import '{module}' ({error}). Install it, or put its folder on "
            "PYTHONPATH."
        ) from None
    if not callable(found):
        raise CertifyError(f"{what}: '{module}' has no function '{function}'")
    made: Callable[..., Any] = found
    return made


def named_data(name: str, *, allow_code: bool) -> Data:
    """Call ``module:function`` without arguments for data: ``x``, ``(x, y)`` or a `Data`.

    Raises:
        CertifyError: not allowed, not found, or something else was returned.
    """
    if not allow_code:
        raise CertifyError(
            f"there is no file '{printable(name)}'; a function that returns data is run with "
            "--allow-code only, by which you say that you have read it"
        )
    made = named_code(name, "DATA", allow_code=True)()
    if isinstance(made, Data):
        return made
    x, y = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    where = f"what {printable(name)} returned"
    return make_data(np.asarray(x), None if y is None else np.asarray(y), where=where)
