"""Where a sample's random words lie: Philox4x64-10 addressed by key, purpose and sample.

The specification, complete enough to write the words again in C:

* key: two words of 64 bits, one pair an image; :mod:`qrobust.certify.run.keys` says which.
* counter = (block, 2 * purpose + overflow, 0, 0). Block ``b`` is the four words of Philox4x64-10
  at that counter, lowest first. NumPy raises its counter *before* each block; :class:`Words`
  starts one lower to make up for it.
* With ``c`` coordinates, a sample owns ``window = main + reserve`` words, ``main =
  4 * ceil(c / 16)`` and ``reserve = 4 * (1 + c // 256)``. Sample ``i`` starts at word
  ``i * window`` of its purpose's main stream (overflow = 0).
* Coordinate ``j`` takes bits ``16 * (j % 4)`` to ``16 * (j % 4) + 15`` of main word ``j // 4``.
* The ``m``-th ambiguous coordinate of a sample (in order, from 0) takes reserve word ``m``, and,
  where ``m >= reserve``, word ``i * c + m`` of the overflow stream (overflow = 1).

The one word that a randomized bound needs is the first of the stream `Purpose.UNIFORM`. Where a
member of a bundle is drawn for every copy, word ``i`` of stream `MEMBER` + purpose says which one
answers copy ``i`` of that purpose.

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

from qrobust.certify.arithmetic.errors import CertifyError

#: Version of the layout above and of its keys, part of the smoothing spec and of every journal.
#: Version 1 had the same words; its only keys were (seed, image index).
LAYOUT_VERSION = 2
LAYOUTS = (1, 2)

WORDS_PER_BLOCK = 4
DRAWS_PER_WORD = 4
_WORD = 1 << 64

#: Streams from here on draw members of a bundle, one word a copy: those of purpose p `MEMBER` + p.
MEMBER = 4

#: The two words of Philox's key, each in [0, 2**64).
Key = tuple[int, int]


class Purpose(IntEnum):
    """What samples are drawn for; each purpose has a stream of its own."""

    PILOT = 0
    BOUND = 1
    PREDICT = 2
    UNIFORM = 3


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


class Words:
    """A movable place in the streams of all keys; one per thread.

    NumPy asks the operating system for entropy whenever a generator is made, keys or not: moving
    one is several times faster than making one.
    """

    def __init__(self) -> None:
        self._generator = np.random.Philox(key=0)
        self._state = self._generator.state

    def take(
        self, key: Key, purpose: int, block: int, count: int, *, overflow: bool = False
    ) -> NDArray[np.uint64]:
        """Return ``count`` words from the start of ``block`` on, uint64[count]."""
        # NumPy increments the counter before it generates, hence one block back.
        before = (block + (2 * purpose + overflow) * _WORD - 1) % (1 << 256)
        inner = self._state["state"]
        inner["key"][:] = [check_key("a word of the key", word) for word in key]
        inner["counter"][:] = [before >> shift & (_WORD - 1) for shift in (0, 64, 128, 192)]
        self._generator.state = self._state
        words: NDArray[np.uint64] = self._generator.random_raw(count)
        return words


def raw_words(
    key: Key, purpose: int, start: int, count: int, *, overflow: bool = False
) -> NDArray[np.uint64]:
    """Return words ``start`` to ``start + count - 1`` of a stream, uint64[count]."""
    block, skip = divmod(start, WORDS_PER_BLOCK)
    return Words().take(key, purpose, block, skip + count, overflow=overflow)[skip:]
