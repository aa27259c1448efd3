"""Training pictures, some of them held out by a fixed rule."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

HELD_OUT = 2000
SPLIT_SEED = 2000


@dataclass(frozen=True)
class Pictures:
    """CIFAR-10's training pictures.

    Attributes:
        x: uint8 (N, 32, 32, 3).
        y: int32 (N,).
        train: indices that training may see, ascending.
        held: indices that no training sees, ascending.
    """

    x: Any
    y: Any
    train: Any
    held: Any

    @property
    def held_hash(self) -> str:
        """SHA-256 of the held-out indices as little-endian int32."""
        return hashlib.sha256(self.held.astype("<i4").tobytes()).hexdigest()

    def order(self, steps: int, batch: int, seed: int, epoch: int) -> Any:
        """Indices (steps, batch) of one epoch: permutations of the training pictures."""
        rng = np.random.default_rng([seed, epoch])
        times = -(-steps * batch // len(self.train))
        drawn = np.concatenate([rng.permutation(self.train) for _ in range(times)])
        return drawn[: steps * batch].reshape(steps, batch).astype(np.int32)


def held_out(count: int, held: int = HELD_OUT, seed: int = SPLIT_SEED) -> Any:
    """``sort(default_rng(seed).permutation(count)[:held])``: the pictures no training sees."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:held])


def load(path: Any, held: int = HELD_OUT) -> Pictures:
    """Read `x` (uint8) and `y` of an .npz file."""
    with np.load(path) as data:
        x, y = data["x"], data["y"].astype(np.int32)
    out = held_out(len(x), held)
    train = np.setdiff1d(np.arange(len(x)), out)
    return Pictures(x, y, train, out)
