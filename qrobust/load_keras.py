"""Loading of ``.keras`` files with all that this package and QKeras register."""

from pathlib import Path
from typing import Any

from qrobust.certify.inputs.named_code import is_module_function, named_code
from qrobust.quiet import quiet_imports
from tflite_export.foreign import foreign_file

# Keras 3 reads some of these itself.
_H5 = (".h5", ".hdf5")
_KERAS = (".keras", *_H5)


def is_keras(path: str | Path) -> bool:
    """Whether an argument names a Keras network, by its ending or as ``module:function``."""
    return Path(path).suffix.lower() in _KERAS or is_module_function(path)


def load_keras(path: str | Path, *, allow_code: bool = False) -> Any:
    """The model in a ``.keras`` file, or the one that a function returns.

    Args:
        path: of the file; or ``module:function``, which is called without arguments.
        allow_code: that the user said so; no module is imported otherwise.

    Raises:
        ValueError: there is no such file, Keras cannot read it, or code that is not allowed, not
            there or returns no model.
    """
    if is_module_function(path):
        return _called(str(path), allow_code)
    path = Path(path)
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


def _called(name: str, allow_code: bool) -> Any:
    function = named_code(name, "the network", allow_code=allow_code)
    with quiet_imports():
        import keras
    model = function()
    if not isinstance(model, keras.Model):
        raise ValueError(f"'{name}' returned no Keras model. Received: {type(model).__name__}")
    return model
