"""Accuracy under what happens by itself: pictures at five strengths, and features of sound."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.subject import Subject
from qrobust.corruptions import STRENGTHS, corrupt
from qrobust.corruptions.pictures import PICTURES

VERSION = "corruptions 2: those of qrobust corrupt at five strengths; four of features"
_SEED = 7
Integers = NDArray[Any]


def _noise(x: Integers) -> Any:
    return x + np.random.default_rng(_SEED).normal(0, 4, x.shape)


#: Of features the judged clips are all there is: corruptions of sound need the recordings.
FEATURES: dict[str, Callable[[Integers], Any]] = {
    "5 frames late": lambda x: np.concatenate([np.repeat(x[:, :1], 5, 1), x[:, :-5]], 1),
    "features x 0.8": lambda x: x * 0.8,
    "Gaussian noise 4": _noise,
    "frames 20 to 24 lost": lambda x: np.concatenate(
        [x[:, :20], np.repeat(x[:, 20:21], 5, 1), x[:, 25:]], 1
    ),
}


def corrupted(subject: Subject) -> dict[str, Any]:
    """Which images are right, by kind of corruption and strength."""
    return {"right": {name: subject.right(x).tolist() for name, x in _inputs(subject.x)}}


def _inputs(x: Integers) -> Iterator[tuple[str, Integers]]:
    if x.dtype == np.uint8:
        for kind in PICTURES:
            for strength in STRENGTHS:
                yield f"{kind} {strength}", corrupt(x, kind, strength, seed=_SEED)
        return
    low, high = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
    for name, change in FEATURES.items():
        yield name, np.clip(np.floor(change(x.astype(np.float64)) + 0.5), low, high)
