"""Reading pickles that hold arrays, numbers and text, and refusing all others.

`pickle.load` runs whatever code a file names; this reader knows only what NumPy's arrays need.
"""

import importlib
import pickle
from pathlib import Path
from typing import Any

_ALLOWED = {
    ("_codecs", "encode"),  # how protocol 2 writes bytes
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


def load_array_pickle(path: Path) -> Any:
    """The object in a pickle of arrays; text of Python 2 comes back as bytes.

    Raises:
        ValueError: The file is damaged, or names anything but arrays.
    """
    try:
        with open(path, "rb") as file:
            return _Unpickler(file, encoding="bytes").load()
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(f"{path} is no readable pickle of arrays: {error}") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # NumPy 2 moved `numpy.core`; files written before still name it.
        module = module.replace("numpy.core.", "numpy._core.", 1)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed")
        return getattr(importlib.import_module(module), name)
