"""Inputs for networks that nobody has data for: pictures of blobs, normal features."""

from typing import Any

import keras
import numpy as np

_SMOOTH = 4


def drawn(model: Any, kind: str, count: int, *, seed: int) -> Any:
    """What ``model.predict`` takes, without data.

    Args:
        model: the network.
        kind: "pixels" for pictures of 0 to 255, "unit" for pictures of 0 to 1.
        count: examples.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    known = getattr(model, "inputs", None)  # a subclassed model has none
    shapes = [t.shape for t in known] if known else [model.get_build_config()["input_shape"]]
    arrays = [_array(tuple(shape[1:]), kind, count, rng) for shape in shapes]
    return arrays if len(arrays) > 1 else arrays[0]


def _array(shape: tuple[int, ...], kind: str, count: int, rng: Any) -> Any:
    if len(shape) < 3:
        return rng.normal(0, 1, (count, *shape)).astype(np.float32)
    coarse = rng.normal(128, 70, (count, *(-(-s // _SMOOTH) for s in shape[:-1]), shape[-1]))
    for axis in range(1, len(shape)):
        coarse = coarse.repeat(_SMOOTH, axis=axis)
    cut = tuple(slice(0, s) for s in shape)
    noisy = coarse[(slice(None), *cut)] + rng.normal(0, 20, (count, *shape))
    pixels = np.clip(np.rint(noisy), 0, 255).astype(np.float32)
    return pixels if kind == "pixels" else pixels / np.float32(255)


def settle(model: Any, x: Any, *, seed: int) -> None:
    """Give biases and batch norms the values that training would have left, more or less."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if kind == "gamma":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif kind in ("beta", "bias"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        model(x[:64], training=True)
