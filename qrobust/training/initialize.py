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


def pair_layers(source: Any, target: Any) -> list[tuple[Any, Any]]:
    """Layers with learned weights of two float models, in order, whatever they are called.

    Noise and penalties, which one of the models may lack, are left out.

    Raises:
        ValueError: the models have other numbers of such layers.
    """
    pairs = [_learned(model) for model in (source, target)]
    if len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"it has {len(pairs[0])} layers with weights, not {len(pairs[1])}")
    return list(zip(*pairs, strict=True))


def _learned(model: Any) -> list[Any]:
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if layer.trainable_variables and not list(layer._flatten_layers(include_self=False))
    ]
