"""One input on its way to the votes, and the randomness that belongs to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.streams import Key, Purpose, raw_words
from qrobust.certify.run.votes import VoteCounter


@dataclass(frozen=True)
class Input:
    """One input on the grid, ready for the interpreter.

    Attributes:
        tensor: int16[coordinates], tensor values.
        quantized: whether it was given as real numbers.
        index: of the image in its data.
    """

    tensor: NDArray[np.int16]
    quantized: bool
    index: int

    @property
    def sha256(self) -> str:
        """Digest of the values as little-endian int16."""
        return hashlib.sha256(self.tensor.astype("<i2").tobytes()).hexdigest()


@dataclass(frozen=True)
class ImageDraws:
    """The randomness of one input, as methods see it.

    Attributes:
        counter: runs the randomized copies.
        key: of the input's random words.
        source: the input.
    """

    counter: VoteCounter
    key: Key
    source: Input

    def votes(self, purpose: Purpose, start: int, count: int) -> NDArray[np.int64]:
        """Return the votes of samples ``start`` to ``start + count - 1`` of a stream."""
        return self.counter.count(
            self.source.tensor,
            key=self.key,
            purpose=purpose,
            start=start,
            count=count,
        )

    def word(self) -> int:
        """Return the 64-bit word that a randomized bound uses."""
        return int(raw_words(self.key, Purpose.UNIFORM, 0, 1)[0])
