"""A float model of any type policy as one of float32, which is what a grid is made of."""

from typing import Any

import keras

from qrobust.layers import Distillation
from tflite_export.keras_private import is_model, layers_inside

_FLOAT32 = "float32"
_FLOATS = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


def as_float32(model: Any) -> Any:
    """The model itself where all of it is float32, else a copy of the same weights that is.

    Types that Keras quantizes to are left as they are.
    """
    if not is_model(model):
        return model  # has no graph to copy; who asks for one says so
    policies = {_policy(layer) for layer in layers_inside(model)}
    if not policies & set(_FLOATS):
        return model

    def changed(layer: Any) -> Any:
        config = layer.get_config()
        if _policy(layer) in _FLOATS:
            config["dtype"] = _FLOAT32
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=changed)
    copy.set_weights(model.get_weights())
    for old, new in zip(layers_inside(model), layers_inside(copy), strict=True):
        if isinstance(old, Distillation):
            new.hear(old.teacher)
    return copy


def _policy(layer: Any) -> str:
    return str(getattr(getattr(layer, "dtype_policy", None), "name", _FLOAT32))
