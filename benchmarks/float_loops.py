"""The float32 loops that the certifier is measured against: Cohen's with Keras, and ART's."""

from collections.abc import Callable
from typing import Any

import numpy as np

COHEN_BATCH = 400

Run = Callable[[int], object]


def cohens_loop(model: Any, x: np.ndarray, sigma: float) -> Run:
    """Cohen's ``_sample_noise`` with Keras for the network, compiled as a whole."""
    import tensorflow as tf

    image = tf.constant(x[None].astype(np.float32))

    @tf.function
    def counts() -> Any:
        noise = tf.random.normal((COHEN_BATCH, *x.shape), stddev=float(sigma))
        labels = tf.argmax(model(image + noise, training=False), axis=1, output_type=tf.int32)
        return tf.math.bincount(labels, minlength=model.output_shape[-1])

    return lambda count: [counts().numpy() for _ in range(count // COHEN_BATCH)]


def arts_loop(model: Any, x: np.ndarray, sigma: float, alpha: str) -> Run | None:
    """ART's own certification; None where ART is missing."""
    try:
        from art.estimators.certification.randomized_smoothing import (
            TensorFlowV2RandomizedSmoothing,
        )
    except ImportError:
        return None
    smoothed = TensorFlowV2RandomizedSmoothing(
        model, model.output_shape[-1], x.shape, scale=float(sigma), alpha=float(alpha)
    )
    image = x[None].astype(np.float32)
    return lambda count: smoothed.certify(image, count, batch_size=COHEN_BATCH)
