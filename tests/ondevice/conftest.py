import warnings

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    """Returns a function that writes a small convolutional integer network.

    Made by the stock converter, so that this folder needs nothing of the project.
    """
    folder = tmp_path_factory.mktemp("models")

    def make(io: str):
        tf = pytest.importorskip("tensorflow")
        path = folder / f"{io}.tflite"
        if path.exists():
            return path
        rng = np.random.default_rng(7)
        layers = tf.keras.layers
        model = tf.keras.Sequential(
            [
                tf.keras.Input((12, 12, 3)),
                layers.Conv2D(8, 3, activation="relu"),
                layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu"),
                layers.Conv2D(16, 1, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(10),
            ]
        )
        model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [rng.uniform(0, 1, (1, 12, 12, 3)).astype(np.float32)] for _ in range(30)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, io)
        with warnings.catch_warnings():
            # It says of every integer conversion that statistics are missing; they are not.
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
            path.write_bytes(converter.convert())
        return path

    return make


@pytest.fixture(scope="session")
def pixels():
    return np.random.default_rng(3).integers(0, 256, (200, 12, 12, 3), dtype=np.uint8)
