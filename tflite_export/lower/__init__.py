"""Keras and QKeras layers -> operators of the integer graph, one module per family."""

# Importing a family registers its layers.
import tflite_export.lower.activation
import tflite_export.lower.affine
import tflite_export.lower.batch_norm
import tflite_export.lower.linear
import tflite_export.lower.merge
import tflite_export.lower.pooling
import tflite_export.lower.sequence
import tflite_export.lower.shape
import tflite_export.lower.transposed  # noqa: F401
from tflite_export.lower.model import Lowered, lower, lower_layer
from tflite_export.lower.registry import layer_key, lowers

__all__ = ["Lowered", "layer_key", "lower", "lower_layer", "lowers"]
