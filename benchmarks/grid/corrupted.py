"""Accuracy under what happens by itself, on integer images and on features of sound."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.subject import Subject

VERSION = "corruptions 1: four of pictures, four of features, one strength"
_SEED = 7
Integers = NDArray[Any]


def _noise(deviation: float) -> Callable[[Integers], Any]:
    return lambda x: x + np.random.default_rng(_SEED).normal(0, deviation, x.shape)


def _blur(x: Integers) -> Any:
    """The mean over 3 x 3 pixels, borders repeated."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = x.shape[1:3]
    shifts = [(i, j) for i in range(3) for j in range(3)]
    return sum(padded[:, i : i + height, j : j + width] for i, j in shifts) / 9


PICTURES: dict[str, Callable[[Integers], Any]] = {
    "contrast x 0.4": lambda x: (x - 128.0) * 0.4 + 128,
    "brightness + 50": lambda x: x + 50.0,
    "Gaussian noise 25": _noise(25),
    "blur 3 x 3": _blur,
}
FEATURES: dict[str, Callable[[Integers], Any]] = {
    "5 frames late": lambda x: np.concatenate([np.repeat(x[:, :1], 5, 1), x[:, :-5]], 1),
    "features x 0.8": lambda x: x * 0.8,
    "Gaussian noise 4": _noise(4),
    "frames 20 to 24 lost": lambda x: np.concatenate(
        [x[:, :20], np.repeat(x[:, 20:21], 5, 1), x[:, 25:]], 1
    ),
}


def corrupted(subject: Subject) -> dict[str, Any]:
    """Which images are right, by kind of corruption."""
    x = subject.x
    low, high = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
    found = {}
    for name, change in (PICTURES if x.dtype == np.uint8 else FEATURES).items():
        changed = np.clip(np.floor(change(x.astype(np.float64)) + 0.5), low, high)
        found[name] = subject.right(changed).tolist()
    return {"right": found}
