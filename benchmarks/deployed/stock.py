"""What TensorFlow's own converter makes of a float Keras model."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray


def stock_file(model: Any, calibration: NDArray[Any] | None) -> bytes:
    """A float32 file, or one of 8 bits with int8 inputs and outputs.

    Args:
        model: float, with ``GridNoise`` or without, which does nothing in inference.
        calibration: pictures whose ranges decide the steps; None for float32.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if calibration is not None:
        rows = calibration.astype(np.float32)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[None]] for row in rows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        # It asks for statistics that the calibration gives.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
        return bytes(converter.convert())
