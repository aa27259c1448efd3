"""What people bring from elsewhere, by its name, and the road that exists from there."""

from os import PathLike
from pathlib import Path
from typing import Any

_REBUILD = "build the network in Keras 3, copy its weights, and give it to qrobust.quantize"
_FLOAT = "give the float model, as it was before, to qrobust.quantize"
_LEGACY = (
    "write model.to_json() and model.save_weights('model.h5'), and read both with "
    "qrobust.load_legacy"
)
# Packages of models and layers.
_PACKAGES = {
    "tf_keras": f"of Keras 2 (tf_keras): {_LEGACY}",
    "tensorflow_model_optimization": f"of tfmot, whose scales are no powers of two: {_FLOAT}",
    "HGQ": "of HGQ 0.2, for Keras 2: train it in HGQ2, whose layers qrobust.adopt takes",
    "hgq": "of HGQ2: make the model exact with qrobust.adopt(model)",
    "onnx": f"of ONNX: {_REBUILD}",
    "torch": f"of PyTorch: {_REBUILD}",
    "tensorflow": "of TensorFlow, without layers: save it as .keras and load that with Keras",
}
_SUFFIXES = {
    ".onnx": f"an ONNX file: {_REBUILD}",
    ".pt": f"a PyTorch file: {_REBUILD}",
    ".pth": f"a PyTorch file: {_REBUILD}",
    ".tflite": (
        "a .tflite, whose layers cannot be trained or exported again: qrobust inspect, certify and "
        "audit take it as it is; for an exact one, give the Keras model to qrobust.quantize"
    ),
    ".bundle": "a bundle of .tflite files, which are exported already: certify and audit take it",
    ".h5": f"an H5 file of Keras 2: {_LEGACY}",
    ".hdf5": f"an H5 file of Keras 2: {_LEGACY}",
    ".json": "a model without weights: read it and its H5 weights with qrobust.load_legacy",
    ".pb": "a SavedModel, which keeps no layers: save the model as .keras and load that",
}
# Names of classes that Keras says it does not know.
_CLASSES = {
    "QuantizeWrapper": _PACKAGES["tensorflow_model_optimization"],
    "QuantizeLayer": _PACKAGES["tensorflow_model_optimization"],
    "PruneLowMagnitude": "of tfmot: take the pruning off with tfmot's strip_pruning",
    "HQuantize": _PACKAGES["HGQ"],
    "HDense": _PACKAGES["HGQ"],
    "HConv": _PACKAGES["HGQ"],
    "hgq": "of HGQ2: import hgq before the file is loaded, and give the model to qrobust.adopt",
}


def foreign_model(model: Any) -> str | None:
    """Why an object is no model of Keras 3, and what to do; None where it may be one.

    Args:
        model: whatever a caller gave.
    """
    if isinstance(model, str | PathLike):
        return f"'{model}' is a path: load it with keras.models.load_model('{model}')"
    if isinstance(model, bytes | bytearray):
        return f"{len(model)} bytes are no model: {_SUFFIXES['.tflite']}"
    known = _package(model)
    return None if known is None else f"'{getattr(model, 'name', type(model).__name__)}' is {known}"


def foreign_layer(layer: Any) -> str | None:
    """The road for a layer of another package; None for Keras's and QKeras's."""
    return _package(layer)


def foreign_file(path: Path, said: str = "") -> str | None:
    """The road for a file that Keras does not read.

    Args:
        path: the file.
        said: Keras's own message, which may name a class.
    """
    for name, road in _CLASSES.items():
        if name in said:
            return f"holds layers {road}"
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None and (path / "saved_model.pb").is_file():
        found = _SUFFIXES[".pb"]
    return None if found is None else f"is {found}"


def _package(thing: Any) -> str | None:
    packages = [kind.__module__.partition(".")[0] for kind in type(thing).__mro__]
    if "keras" in packages and "hgq" not in packages:
        return None
    return next((_PACKAGES[name] for name in packages if name in _PACKAGES), None)
