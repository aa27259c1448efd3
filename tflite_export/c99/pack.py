"""Weights as fields of 2, 4 or 8 bits in 32-bit words, in the order in which the kernels read them.

A word holds ``32 / bits`` consecutive weights of one channel as two's complement fields. Even
weights take the lower fields, odd ones the upper: field ``j`` is weight ``2 j``, field ``j + half``
weight ``2 j + 1``. A core with 16-bit dual multiply-accumulate so gets two neighbours by one shift
and one mask. Channels come in pairs, their words interleaved; an odd last channel is paired with
zeros.
"""

import numpy as np
import numpy.typing as npt

from tflite_export.grid import IntArray

WORD_BITS = 32


def field_bits(weights: IntArray) -> int:
    """The narrowest field that holds every weight: 2, 4 or 8 bits."""
    for bits in (2, 4, 8):
        if weights.min(initial=0) >= -(1 << (bits - 1)) and weights.max(initial=0) < 1 << (
            bits - 1
        ):
            return bits
    raise ValueError(f"weights of at most 8 bits. Received: {weights.min()} to {weights.max()}")


def field_of(index: int, bits: int) -> int:
    """The field of a word that holds its ``index``-th weight."""
    half = WORD_BITS // bits // 2
    return index // 2 + half * (index % 2)


def pack_rows(rows: IntArray, bits: int) -> npt.NDArray[np.uint32]:
    """Pack weights of shape (channels, entries) for the kernels.

    Args:
        rows: one row a channel, entries in the order of the window (row, column, input channel).
        bits: width of a field.

    Returns:
        uint32[pairs of channels, words, 2], flat.
    """
    fields = WORD_BITS // bits
    channels, entries = rows.shape
    padded = np.zeros((channels + channels % 2, -(-entries // fields) * fields), np.int64)
    padded[:channels, :entries] = rows
    places = np.array([field_of(i, bits) for i in range(fields)], np.uint64)
    parts = (padded.reshape(len(padded), -1, fields) & ((1 << bits) - 1)).astype(np.uint64)
    words = (parts << (places * np.uint64(bits))).sum(axis=-1, dtype=np.uint64)
    pairs = words.reshape(len(padded) // 2, 2, -1).transpose(0, 2, 1)
    return np.asarray(pairs.reshape(-1), np.uint32)
