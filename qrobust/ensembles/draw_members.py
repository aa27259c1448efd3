"""Networks drawn from one whose weights are distributions."""

from typing import Any

import numpy as np
from keras import ops

from qrobust.layers.weight_distribution import WeightDistribution, kernel_of
from tflite_export.keras_private import layers_inside


def draw_members(model: Any, count: int, *, seed: int = 0) -> list[Any]:
    r"""Draw networks with fixed weights: copies of the model, ready to export.

    In member k every kernel inside a ``WeightDistribution`` is ``w + rms(w) * s * z``, z standard
    normal from NumPy's Philox at ``(seed, k)``, and is then folded and quantized as always: member
    k is the same whatever ``count`` is. The model itself is the mean network.

    Args:
        model: a Sequential or Functional model that holds ``WeightDistribution`` layers, built.
        count: how many, at least 1.
        seed: of the draws, in [0, 2**64).

    Returns:
        Models of the same layers, not compiled, called ``NAME_draw_K``.

    Raises:
        ValueError: no such layers, fewer than one draw, or a seed out of range.
    """
    if count < 1 or not 0 <= seed < 1 << 64:
        raise ValueError(
            f"count is at least 1, seed in [0, 2**64). Received: count={count}, seed={seed}"
        )
    if not _distributions(model):
        raise ValueError(
            f"Model '{model.name}' has no WeightDistribution layers, so every draw would be the "
            f"model itself."
        )
    return [_drawn(model, seed, k) for k in range(count)]


def _drawn(model: Any, seed: int, k: int) -> Any:
    copy = type(model).from_config({**model.get_config(), "name": f"{model.name}_draw_{k}"})
    copy.set_weights(model.get_weights())
    rng = np.random.Generator(np.random.Philox(key=[seed, k]))
    for layer in _distributions(copy):
        kernel = kernel_of(layer.layer)
        z = rng.standard_normal(kernel.shape).astype(np.float32)
        kernel.assign(ops.convert_to_numpy(kernel) + ops.convert_to_numpy(layer.spreads()) * z)
    return copy


def _distributions(model: Any) -> list[WeightDistribution]:
    return [layer for layer in layers_inside(model) if isinstance(layer, WeightDistribution)]
