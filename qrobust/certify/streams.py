"""Where a sample's random words lie: Philox4x64-10 addressed by seed, image, purpose and sample.

The specification, complete enough to write the words again in C:

* key = (seed, image index), two words of 64 bits.
* counter = (block, 2 * purpose + overflow, 0, 0). Block ``b`` is the four words of Philox4x64-10
  at that counter, lowest first. NumPy raises its counter *before* each block; :func:`raw_words`
  starts one lower to make up for it.
* With ``c`` coordinates, a sample owns ``window = main + reserve`` words, ``main =
  4 * ceil(c / 16)`` and ``reserve = 4 * (1 + c // 256)``. Sample ``i`` starts at word
  ``i * window`` of its purpose's main stream (overflow = 0).
* Coordinate ``j`` takes bits ``16 * (j % 4)`` to ``16 * (j % 4) + 15`` of main word ``j // 4``.
* The ``m``-th ambiguous coordinate of a sample (in order, from 0) takes reserve word ``m``, and,
  where ``m >= reserve``, word ``i * c + m`` of the overflow stream (overflow = 1).

A purpose is a separate stream: the pilot that chooses a class and the samples that bound its
probability are never the same words. Nothing depends on batch, thread, process or machine.

References:
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3. SC 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.errors import CertifyError

#: Version of the layout above. It is part of the smoothing spec and of every journal.
LAYOUT_VERSION = 1

WORDS_PER_BLOCK = 4
DRAWS_PER_WORD = 4
_WORD = 1 << 64


class Purpose(IntEnum):
    """What samples are drawn for; each purpose has a stream of its own."""

    PILOT = 0
    BOUND = 1
    PREDICT = 2


@dataclass(frozen=True)
class WindowLayout:
    """The fixed window of words that each sample of ``coordinates`` draws owns.

    Attributes:
        coordinates: numbers in one input.
    """

    coordinates: int

    def __post_init__(self) -> None:
        if self.coordinates < 1:
            raise CertifyError(f"an input has at least 1 number, received {self.coordinates}")

    @property
    def main(self) -> int:
        """Words that hold the 16-bit draws, in whole blocks."""
        return WORDS_PER_BLOCK * -(-self.coordinates // (WORDS_PER_BLOCK * DRAWS_PER_WORD))

    @property
    def reserve(self) -> int:
        """Words kept for ambiguous draws: twice their mean on an 8-bit grid, and more."""
        return WORDS_PER_BLOCK * (1 + self.coordinates // 256)

    @property
    def window(self) -> int:
        """Words a sample owns."""
        return self.main + self.reserve


def check_key(name: str, value: int) -> int:
    """Return ``value`` if it fits a 64-bit word of the key, else raise `CertifyError`."""
    if not 0 <= value < _WORD:
        raise CertifyError(f"{name} must lie in [0, 2**64), received {value}")
    return value


def philox(
    seed: int, image: int, purpose: int, block: int, *, overflow: bool = False
) -> np.random.Philox:
    """Return a generator whose next word is the first of ``block``."""
    counter = block + ((2 * purpose + overflow) * _WORD)
    # NumPy increments before it generates.
    before = (counter - 1) % (1 << 256)
    key = check_key("seed", seed) + check_key("image index", image) * _WORD
    return np.random.Philox(key=key, counter=before)


def raw_words(
    seed: int, image: int, purpose: int, start: int, count: int, *, overflow: bool = False
) -> NDArray[np.uint64]:
    """Return words ``start`` to ``start + count - 1`` of a stream, uint64[count]."""
    block, skip = divmod(start, WORDS_PER_BLOCK)
    generator = philox(seed, image, purpose, block, overflow=overflow)
    words: NDArray[np.uint64] = generator.random_raw(skip + count)
    return words[skip:]
