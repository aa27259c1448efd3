"""Loading of ``.keras`` files with all that this package and QKeras register."""

from pathlib import Path
from typing import Any

from qrobust.quiet import quiet_imports
from tflite_export.foreign import foreign_file

# Keras 3 reads some of these itself.
_H5 = (".h5", ".hdf5")


def load_keras(path: Path) -> Any:
    """The model in a ``.keras`` file.

    Raises:
        ValueError: there is no such file, or Keras cannot read it.
    """
    road = None if path.suffix.lower() in _H5 else foreign_file(path)
    if road is not None and path.exists():
        raise ValueError(f"'{path}' {road}.")
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
        road = foreign_file(path, str(error))
        if road is not None:
            raise ValueError(f"'{path}' {road}.") from None
        first = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(f"'{path}' is no Keras model that can be read here: {first}") from None
