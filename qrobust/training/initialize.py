"""Weights that depend on a seed alone, not on global random state."""

from typing import Any

import numpy as np

from qrobust.layers.folded_batch_norm import FoldedBatchNorm
from tflite_export.keras_private import layers_inside


def initialize(model: Any, seed: int) -> None:
    """Draw every kernel again from its own initializer, with a seed per layer.

    Args:
        model: a built Keras model.
        seed: of the model; layer i uses ``seed + i``.
    """
    for number, layer in enumerate(layers_inside(model)):
        for name in ("kernel_initializer", "depthwise_initializer"):
            initializer = getattr(layer, name, None)
            if initializer is None or not hasattr(layer, "kernel"):
                continue
            config = initializer.get_config()
            if "seed" not in config:
                continue
            seeded = type(initializer).from_config({**config, "seed": seed + number})
            layer.kernel.assign(seeded(layer.kernel.shape))
            break


def copy_weights(source: Any, target: Any, *, doubled: bool = False) -> None:
    """Give a float model the weights of another, layer by layer, whatever the layers are called.

    Noise and penalties, which one of the models may lack, are left out. A folded layer of the
    source is a linear layer and a batch norm of the target.

    Args:
        source: trained.
        target: gets the weights.
        doubled: the target takes twice the channels: those that the source does not know get
            kernels of zeros, so that it says the same of whole pictures.

    Raises:
        ValueError: the models have other numbers of layers, or weights of other shapes.
    """
    given = [weights for layer in _learned(source) for weights in _unfolded(layer)]
    layers = _learned(target)
    if len(given) != len(layers):
        raise ValueError(f"it has {len(given)} layers with weights, not {len(layers)}")
    if doubled and given:
        kernel = np.asarray(given[0][0])
        given[0][0] = np.concatenate([kernel, np.zeros_like(kernel)], axis=-2)
    for weights, layer in zip(given, layers, strict=True):
        layer.set_weights(weights)


def _unfolded(layer: Any) -> list[list[Any]]:
    if not isinstance(layer, FoldedBatchNorm):
        return [layer.get_weights()]
    norm = [layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance]
    bias = np.zeros(layer.gamma.shape, "float32")
    return [[np.asarray(layer.kernel), bias], [np.asarray(value) for value in norm]]


def _learned(model: Any) -> list[Any]:
    return [
        layer
        for layer in layers_inside(model, itself=False)
        if layer.trainable_variables and not list(layers_inside(layer, itself=False))
    ]
