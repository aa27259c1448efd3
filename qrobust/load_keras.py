"""Loading of ``.keras`` files with all that this package and QKeras register."""

from pathlib import Path
from typing import Any

from qrobust.quiet import quiet_imports


def load_keras(path: Path) -> Any:
    """The model in a ``.keras`` file.

    Raises:
        ValueError: there is no such file, or Keras cannot read it.
    """
    if not path.is_file():
        raise ValueError(f"'{path}' is not a file. Save a model there with model.save(...).")
    with quiet_imports():
        import keras
        import qkeras  # noqa: F401  (registers its layers)

        import qrobust.layers
        import qrobust.quantizers  # noqa: F401
    try:
        return keras.models.load_model(path)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(f"'{path}' is no Keras model that can be read here: {first}") from None
