"""Votes for certificates: from the exact law, from the sampler's streams, and with mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from linear_laws import CLASSES, HIGH, LOW, Place

from qrobust.certify.arithmetic.noise_sampler import NoiseSampler
from qrobust.certify.arithmetic.streams import Key, Purpose, raw_words


@dataclass
class LawDraws:
    """Votes drawn from the exact law."""

    p: tuple[float, ...]
    rng: np.random.Generator

    def votes(self, purpose: Purpose, start: int, count: int) -> np.ndarray:
        """Independent of everything before; methods never ask for a sample twice."""
        return self.rng.multinomial(count, self.p)

    def word(self) -> int:
        """A fair word."""
        return int(self.rng.integers(1 << 64, dtype=np.uint64))


@dataclass
class WorstMoment(LawDraws):
    """Votes that end at the first moment at which they are for too much, if there is one.

    A clock that knew the truth and the votes could not do worse.

    Attributes:
        fewest: int64[n], votes for the class after each number of samples that show too much.
    """

    fewest: np.ndarray
    favourite: int = 0

    def votes(self, purpose: Purpose, start: int, count: int) -> np.ndarray:
        """Of a pilot all; of the bound's samples those up to that moment."""
        if purpose == Purpose.PILOT:
            pilot = super().votes(purpose, start, count)
            self.favourite = int(np.argmax(pilot))
            return pilot
        labels = np.searchsorted(np.cumsum(self.p), self.rng.random(count)).clip(0, CLASSES - 1)
        too_many = np.cumsum(labels == self.favourite) >= self.fewest[:count]
        end = int(np.argmax(too_many)) + 1 if too_many.any() else count
        return np.bincount(labels[:end], minlength=CLASSES)


@dataclass
class StreamDraws:
    """Votes of the sampler's own streams."""

    place: Place
    sampler: NoiseSampler
    key: Key

    def votes(self, purpose: Purpose, start: int, count: int) -> np.ndarray:
        """Noisy copies through the classifier."""
        x = np.array(self.place.x, np.int16)
        return self.count(self.copies(x, purpose, start, count))

    def copies(self, x: np.ndarray, purpose: Purpose, start: int, count: int) -> np.ndarray:
        """int8[count, coordinates]."""
        copies = np.empty((count, len(x)), np.int8)
        self.sampler.fill(x, copies, key=self.key, purpose=purpose, start=start)
        return copies

    def count(self, copies: np.ndarray) -> np.ndarray:
        """Votes of some copies."""
        return np.bincount(self.place.network.labels(copies), minlength=CLASSES)

    def word(self) -> int:
        """The word of the image's own stream."""
        return int(raw_words(self.key, Purpose.UNIFORM, 0, 1)[0])


class PilotReused(StreamDraws):
    """The samples that chose the class bound its probability."""

    def votes(self, purpose: Purpose, start: int, count: int) -> np.ndarray:
        """Always the pilot's."""
        return super().votes(Purpose.PILOT, start, count)


class OneVoteMore(StreamDraws):
    """A vote too many for the class that the pilot chose."""

    favourite = 0

    def votes(self, purpose: Purpose, start: int, count: int) -> np.ndarray:
        """The sum stays: the vote is another class's."""
        votes = super().votes(purpose, start, count)
        if purpose == Purpose.PILOT:
            self.favourite = int(np.argmax(votes))
        elif start == 0 and votes[self.favourite] < count:
            loser = max((c for c in range(CLASSES) if c != self.favourite), key=votes.__getitem__)
            votes[self.favourite] += 1
            votes[loser] -= 1
        return votes


class Overlapping(StreamDraws):
    """Windows that advance by half a sample: each copy shares half of its noise with the next."""

    def copies(self, x: np.ndarray, purpose: Purpose, start: int, count: int) -> np.ndarray:
        """Rows ``i`` and ``i + 1`` of half samples make copy ``i``."""
        half = len(x) // 2
        sampler = NoiseSampler(self.sampler.table, half)
        noise = sampler.noise(self.key, purpose, start, count + 1)
        return np.clip(np.hstack([noise[:-1], noise[1:]]) + x, LOW, HIGH).astype(np.int8)
