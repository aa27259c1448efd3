"""Weights that depend on a seed alone, not on global random state."""

from typing import Any


def initialize(model: Any, seed: int) -> None:
    """Draw every kernel again from its own initializer, with a seed per layer.

    Args:
        model: a built Keras model.
        seed: of the model; layer i uses ``seed + i``.
    """
    for number, layer in enumerate(model._flatten_layers()):
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
