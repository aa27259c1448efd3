"""The MLPerf-Tiny networks with weights that look trained, for benchmarks of exports."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from qrobust import architectures

NETWORKS: dict[str, Callable[[], Any]] = {
    "ResNet-8": architectures.resnet8,
    "DS-CNN": architectures.ds_cnn,
    "MobileNetV1-0.25": architectures.mobilenet_v1,
    "autoencoder": architectures.autoencoder,
}


def trained_looking(model: Any, *, seed: int) -> Any:
    """Draw weights, and the batch norm statistics that training would have left.

    Kernels are normal with He's spread and differ in size between channels; a batch norm's
    statistics are those of the batch that meets it, so that activations spread over their grids.
    """
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        kind = variable.path.rsplit("/", 1)[-1]
        shape = variable.shape
        if kind == "kernel":
            fan_in = np.prod(shape[:-1]) if len(shape) < 4 or shape[-1] > 1 else 9
            spread = np.sqrt(2 / fan_in) * rng.uniform(0.5, 2, shape[-1])
            variable.assign(rng.normal(0, 1, shape) * spread)
        elif kind == "gamma":
            variable.assign(rng.uniform(0.5, 1.5, shape))
        elif kind in ("beta", "bias"):
            variable.assign(rng.normal(0, 0.3, shape))
    images = random_inputs(model, 64, seed=seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images.astype("float32"), training=True)
    return model


def random_inputs(model: Any, count: int, *, seed: int) -> npt.NDArray[np.uint8]:
    """Pictures of smooth blobs and noise, 0 to 255, shape (count, ...)."""
    rng = np.random.default_rng(seed)
    shape = model.input_shape[1:]
    coarse = rng.normal(128, 70, (count, *(-(-s // 4) for s in shape[:-1]), shape[-1]))
    for axis in range(1, len(shape)):
        coarse = coarse.repeat(4, axis=axis)
    cut = tuple(slice(0, s) for s in shape)
    noisy = coarse[(slice(None), *cut)] + rng.normal(0, 20, (count, *shape))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
