from pathlib import Path

import keras
import numpy as np

DIGITS = Path(__file__).parents[3] / "models" / "digits"


def linear_model(weights, bias=None):
    """``x @ weights + bias`` over pixels (4, 4, 1); weights [16, classes]."""
    weights = np.asarray(weights, np.float32)
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(weights.shape[1])]
    )
    model.layers[-1].set_weights([weights, np.zeros(weights.shape[1]) if bias is None else bias])
    return model
