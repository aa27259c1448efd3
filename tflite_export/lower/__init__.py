"""Keras and QKeras layers -> operators of the integer graph, one module per family."""

# Importing a family registers its layers.
from tflite_export.lower import activation, linear, merge, pooling, shape  # noqa: F401
from tflite_export.lower.model import Lowered, lower, lower_layer
from tflite_export.lower.registry import layer_key, lowers

__all__ = ["Lowered", "layer_key", "lower", "lower_layer", "lowers"]
