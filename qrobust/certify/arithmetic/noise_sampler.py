"""Noisy copies of one input: draw, add, saturate, in integers and in reused buffers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.noise_table import AMBIGUOUS, NoiseTable
from qrobust.certify.arithmetic.streams import WORDS_PER_BLOCK, Key, WindowLayout, Words, raw_words

#: Numbers looked up at a time.
_SLICE = 8 * 3072


class NoiseSampler:
    """Draws the noise of consecutive samples of one image.

    One per thread: the scratch buffers are its own, the table is shared.

    Args:
        table: the noise.
        coordinates: numbers in one input.
        low: least tensor value; an int8 tensor's by default.
        high: greatest tensor value.
    """

    def __init__(
        self, table: NoiseTable, coordinates: int, *, low: int = -128, high: int = 127
    ) -> None:
        self.table = table
        self.layout = WindowLayout(coordinates)
        self._words = Words()
        self.low, self.high = low, high
        self._noise = np.empty((0, coordinates), np.int16)
        self._indices = np.empty((max(1, _SLICE // coordinates), coordinates), np.intp)

    def noise(self, key: Key, purpose: int, start: int, count: int) -> NDArray[np.int16]:
        """Return the noise of samples ``start`` to ``start + count - 1``.

        Args:
            key: of the image's random streams.
            purpose: which stream.
            start: index of the first sample.
            count: how many.

        Returns:
            int16[count, coordinates], in input LSB.
        """
        out = np.empty((count, self.layout.coordinates), np.int16)
        self._draw(out, key, purpose, start)
        return out

    def fill(
        self,
        tensor: NDArray[np.int16],
        out: NDArray[np.int8] | NDArray[np.uint8],
        *,
        key: Key,
        purpose: int,
        start: int,
    ) -> None:
        """Write ``sat(tensor + N)`` of consecutive samples into ``out``.

        Args:
            tensor: int16[coordinates], the clean input in tensor values.
            out: int8 or uint8[count, coordinates], one row a sample.
            key: of the image's random streams.
            purpose: which stream.
            start: index of the first sample.
        """
        if len(self._noise) < len(out):
            self._noise = np.empty((len(out), self.layout.coordinates), np.int16)
        noisy = self._noise[: len(out)]
        self._draw(noisy, key, purpose, start)
        np.add(noisy, tensor, out=noisy)
        np.clip(noisy, self.low, self.high, out=noisy)
        np.copyto(out, noisy, casting="unsafe")  # in range after the clip

    def _draw(self, out: NDArray[np.int16], key: Key, purpose: int, start: int) -> None:
        """Fill ``out``, C-contiguous int16[count, coordinates], with samples from ``start`` on."""
        layout, count = self.layout, len(out)
        block = start * (layout.window // WORDS_PER_BLOCK)
        raw = self._words.take(key, purpose, block, count * layout.window)
        windows = raw.astype("<u8", copy=False).reshape(count, layout.window)
        draws = windows[:, : layout.main].view("<u2")[:, : layout.coordinates]
        size = len(self._indices)
        for first in range(0, count, size):
            # np.take would widen all indices at once, which costs more cache than a core has.
            part = out[first : first + size]
            indices = self._indices[: len(part)]
            np.copyto(indices, draws[first : first + size], casting="unsafe")
            # Every index is a 16-bit word, so "wrap" changes none; it spares the bounds check.
            np.take(self.table.lookup, indices, out=part, mode="wrap")

        flat = out.reshape(-1)
        open_ = np.flatnonzero(out < AMBIGUOUS)
        # Each sample's open draws take its reserve words in order.
        ends = np.searchsorted(open_, layout.coordinates * np.arange(count + 1))
        sizes = np.diff(ends)
        rank = np.arange(len(open_)) - np.repeat(ends[:-1], sizes)
        reserve = layout.window * np.arange(count) + layout.main
        rests = raw[np.repeat(reserve, sizes) + np.minimum(rank, layout.reserve - 1)]
        if sizes.max() > layout.reserve:
            for late in np.flatnonzero(rank >= layout.reserve):
                sample = start + int(open_[late]) // layout.coordinates
                word = sample * layout.coordinates + int(rank[late])
                rests[late] = raw_words(key, purpose, word, 1, overflow=True)[0]
        flat[open_] = self.table.refine(flat[open_], rests)
