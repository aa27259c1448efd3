"""Models of QKeras 0.9 and Keras 2, as JSON and H5, read without either."""

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import qkeras

# Options of old layers that newer ones do not have, or say otherwise.
_OBSOLETE = ("batch_input_shape", "sparse", "ragged", "dtype", "groups", "input_quantizer")


def load_legacy(architecture: str | Path, weights: str | Path) -> Any:
    """A model saved as ``model.to_json()`` and ``model.save_weights("*.h5")``.

    Args:
        architecture: the JSON file, of a Sequential or Functional model without nested models.
        weights: the H5 file.

    Returns:
        A Keras 3 model; give it to ``adopt`` if its layers are QKeras's, else to ``quantize``.

    Raises:
        ValueError: a class that neither Keras nor QKeras has, or weights that do not fit.
    """
    document = json.loads(Path(architecture).read_text(encoding="utf-8"))
    config = document["config"]
    layers = config if isinstance(config, list) else config["layers"]
    tensors: dict[str, Any] = {}
    made: dict[str, Any] = {}
    inputs: list[Any] = []
    last = None
    for entry in layers:
        options = dict(entry["config"])
        name = options["name"]
        if entry["class_name"] == "InputLayer":
            last = keras.Input(tuple(options["batch_input_shape"][1:]), name=name)
            tensors[name] = last
            inputs.append(last)
            continue
        if not inputs:
            last = keras.Input(tuple(options["batch_input_shape"][1:]), name=f"{name}_input")
            inputs.append(last)
        layer = _layer(entry["class_name"], options)
        calls = entry.get("inbound_nodes") or [[]]
        if len(calls) > 1:
            raise ValueError(f"Layer '{name}' is shared, which old JSON files keep elsewhere.")
        sources = [tensors[source[0]] for source in calls[0]] or [last]
        last = layer(sources if len(sources) > 1 else sources[0])
        tensors[name], made[name] = last, layer
    ends = [] if isinstance(config, list) else config.get("output_layers", [])
    outputs = [tensors[end[0]] for end in ends] or [last]
    name = config.get("name", "model") if isinstance(config, dict) else "model"
    model = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=name)
    _load(made, Path(weights))
    return model


def _layer(kind: str, options: dict[str, Any]) -> Any:
    cls = getattr(qkeras, kind, None) or getattr(keras.layers, kind, None)
    if cls is None:
        raise ValueError(f"Layer '{options['name']}': neither Keras nor QKeras has a {kind}.")
    kept = {}
    for key, value in options.items():
        if key in _OBSOLETE or key.endswith("_range"):
            continue
        kept[key] = _value(key, value)
    known = _known(cls)
    return cls(**{key: value for key, value in kept.items() if not known or key in known})


def _known(cls: Any) -> set[str]:
    """The arguments of a class and those above it."""
    import inspect

    names: set[str] = {"name", "trainable"}
    for above in cls.__mro__[:-1]:
        if above is keras.layers.Layer:
            break
        names |= set(inspect.signature(above.__init__).parameters)
    return names - {"self", "args", "kwargs"}


def _value(key: str, value: Any) -> Any:
    """An option as an object: a quantizer by class and config, an initializer left to Keras."""
    if key.endswith(("_initializer", "_regularizer", "_constraint")):
        return None if not key.endswith("_initializer") else "zeros"
    if isinstance(value, dict) and "class_name" in value:
        cls = getattr(qkeras, value["class_name"], None)
        if cls is None:
            raise ValueError(f"QKeras has no {value['class_name']}.")
        import inspect

        taken = inspect.signature(cls.__init__).parameters
        return cls(**{k: v for k, v in value["config"].items() if k in taken})
    if isinstance(value, list) and all(isinstance(v, int) for v in value):
        return tuple(value)
    return value


def _load(layers: dict[str, Any], path: Path) -> None:
    with h5py.File(path) as file:
        root = file["model_weights"] if "model_weights" in file else file
        for name, layer in layers.items():
            if not layer.weights:
                continue
            if name not in root:
                raise ValueError(f"Layer '{name}' has no weights in {path.name}.")
            group = root[name]
            names = [n.decode() if isinstance(n, bytes) else n for n in group.attrs["weight_names"]]
            arrays = [np.asarray(group[n]) for n in names]
            shapes = [tuple(w.shape) for w in layer.weights]
            if [a.shape for a in arrays] != shapes:
                raise ValueError(
                    f"Layer '{name}': weights of shapes {[a.shape for a in arrays]} for {shapes}."
                )
            layer.set_weights(arrays)
