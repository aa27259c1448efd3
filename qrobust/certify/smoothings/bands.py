r"""Counting over bands and blocks: certain certificates against patches (after Levine, Feizi 2020).

The network sees one band of s neighbouring columns at a time, which wraps around the picture's
edge, and nothing else; there are w places for it, hence w inferences and up to w votes. A patch of
m x m pixels, anywhere inside the picture and with any content, touches m columns, which lie in

.. math:: \delta = \min(m + s - 1, w)

bands; all other votes stay as they are. Each band touched may lose a vote for A and win one for c,
so A (ties to the lowest index) is certain if, for every other class c,

.. math:: n_A > n_c + 2 \delta - [A < c].

A vote may be an abstention, which counts for nobody; a touched band that abstained wins at most
the one vote already counted, so the condition is the same.

Blocks of s x s pixels have ``h w`` places, of which a patch touches
``min(m + s - 1, h) min(m + s - 1, w)``.

NULL, "nothing to see here", is no pixel value: an 8-bit pixel has no code to spare. A picture of C
channels becomes one of 2 C: x and T - x where something is seen, 0 and 0 where not.

Reference:
    Levine and Feizi, (De)Randomized Smoothing for Certifiable Defense against Patch Attacks,
    NeurIPS 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.splits import Votes, margin


def touched_bands(patch: int, band: int, width: int) -> int:
    """Return delta, the bands of ``band`` columns that a patch of ``patch`` columns touches.

    Raises:
        CertifyError: a patch or a band of less than one column, or wider than the picture.
    """
    _check("patch", patch, width)
    _check("band", band, width)
    return min(patch + band - 1, width)


def touched_blocks(patch: int, block: int, height: int, width: int) -> int:
    """Return how many blocks of ``block`` x ``block`` pixels a ``patch`` x ``patch`` one touches.

    Raises:
        CertifyError: sizes below 1 or above the picture's.
    """
    for side in (height, width):
        _check("patch", patch, side)
        _check("block", block, side)
    return min(patch + block - 1, height) * min(patch + block - 1, width)


def _check(name: str, size: int, side: int) -> None:
    if not 1 <= size <= side:
        raise CertifyError(f"a {name} has 1 to {side} pixels a side in this picture, not {size}")


def stands(votes: Votes, touched: int) -> bool:
    """Whether the winner keeps, whatever ``touched`` inferences say instead.

    ``n_A > n_c + 2 touched - [A < c]`` for every other c.

    Args:
        votes: int64[classes]; abstentions are in none of them.
        touched: from `touched_bands` or `touched_blocks`.
    """
    return margin(votes) >= 2 * touched


def band_views(
    x: NDArray[Any], band: int, top: int, places: range | None = None
) -> NDArray[np.int64]:
    """Return what the network sees at every place of the band.

    Args:
        x: integers[h, w, C] from 0 to ``top``.
        band: columns of a band.
        top: T.
        places: which of the w; all by default.

    Returns:
        int64[places, h, w, 2 C]; view p shows columns ``p, ..., p + band - 1`` modulo w.
    """
    width = x.shape[1]
    _check("band", band, width)
    places = range(width) if places is None else places
    seen = [_seen(place, band, width)[None] for place in places]
    return np.stack([encode(x, np.broadcast_to(row, x.shape[:2]), top) for row in seen])


def block_views(
    x: NDArray[Any], block: int, top: int, places: range | None = None
) -> NDArray[np.int64]:
    """Return what the network sees at every place of a block, int64[places, h, w, 2 C].

    Place ``p`` of the h w begins in row ``p // w`` and column ``p % w``; see `band_views`.
    """
    height, width = x.shape[:2]
    for side in (height, width):
        _check("block", block, side)
    places = range(height * width) if places is None else places
    rows = [_seen(place // width, block, height)[:, None] for place in places]
    columns = [_seen(place % width, block, width)[None] for place in places]
    return np.stack(
        [encode(x, row & column, top) for row, column in zip(rows, columns, strict=True)]
    )


def _seen(place: int, size: int, side: int) -> NDArray[np.bool_]:
    """Which of the columns, or rows, lie in a band that begins at a place, and wraps around."""
    return np.asarray((np.arange(side) - place) % side < size)


def encode(x: NDArray[Any], seen: NDArray[np.bool_], top: int) -> NDArray[np.int64]:
    """Return x and T - x where something is seen, and 0 and 0 elsewhere.

    Args:
        x: integers[h, w, C] from 0 to ``top``.
        seen: bool[h, w].
        top: T, at least 1: NULL is then no picture's code.

    Returns:
        int64[h, w, 2 C]: first the C channels of x, then those of T - x.

    Raises:
        CertifyError: values outside the grid.
    """
    x = np.asarray(x)
    if x.ndim != 3 or x.dtype.kind not in "iu" or seen.shape != x.shape[:2]:
        raise CertifyError(f"a picture is integers of (h, w, C), received {x.dtype} {x.shape}")
    if top < 1 or x.min() < 0 or x.max() > top:
        raise CertifyError(f"pixels lie in [0, {top}], received {x.min()} to {x.max()}")
    wide = x.astype(np.int64)
    return np.concatenate([wide, top - wide], axis=2) * seen[..., None]
