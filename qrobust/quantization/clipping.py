"""Weights that must leave their minimum, and what their neighbours can do about it."""

from typing import Any

import numpy as np
import numpy.typing as npt

_STEPS = 64

Integers = npt.NDArray[np.int64]


def clipped(weights: Integers, largest: int, inputs: npt.NDArray[Any] | None) -> Integers:
    """Weights within ``-largest .. largest``, the change of the result on data kept small.

    Each channel's clipped weights change its sum by ``X d``; other weights of the channel move by
    single steps, the best first, while ``d' X' X d`` falls: coordinate descent on the integers.

    Args:
        weights: integers of shape (inputs, channels).
        largest: the largest magnitude allowed.
        inputs: what the layer reads on data, shape (examples, inputs); None for clipping alone.
    """
    result = np.clip(weights, -largest, largest)
    if inputs is None:
        return result
    x = inputs.astype(np.float64)
    gram = x.T @ x / len(x)
    for channel in np.flatnonzero(np.any(result != weights, axis=0)):
        _settle(result[:, channel], weights[:, channel], gram, largest)
    return result


def _settle(new: Integers, old: Integers, gram: npt.NDArray[np.float64], largest: int) -> None:
    """Move the weights of one channel, in place."""
    slope = gram @ (new - old)
    size = np.diag(gram)
    for _ in range(_STEPS):
        step = -np.sign(slope).astype(np.int64)
        gain = size - 2 * np.abs(slope)
        gain[np.abs(new + step) > largest] = 0.0
        best = int(gain.argmin())
        if gain[best] >= -1e-12:
            return
        new[best] += step[best]
        slope += gram[:, best] * step[best]
