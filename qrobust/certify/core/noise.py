"""The random copies of an input, slowly: Philox words, the noise law, saturation."""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from qrobust.certify.core.rounded import normal_cdf

Pair = tuple[int, int]

_WORD = (1 << 64) - 1
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)

#: Separate streams: what chooses a class never bounds its probability.
PILOT, BOUND, PREDICT, UNIFORM = range(4)
#: Where a classifier draws one of several networks for every copy: stream ``MEMBER + purpose``.
MEMBER = 4


@lru_cache(maxsize=4096)
def philox(key: Pair, counter: Pair) -> tuple[int, int, int, int]:
    """Return one block of Philox4x64-10 at counter ``(counter[0], counter[1], 0, 0)``.

    Salmon et al., Parallel random numbers: as easy as 1, 2, 3. SC 2011.
    """
    a, b, c, d = (*counter, 0, 0)
    k, m = key
    for _ in range(10):
        left, right = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = right >> 64 ^ b ^ k, right & _WORD, left >> 64 ^ d ^ m, left & _WORD
        k, m = k + _WEYL[0] & _WORD, m + _WEYL[1] & _WORD
    return a, b, c, d


def word(key: Pair, purpose: int, index: int, *, overflow: bool = False) -> int:
    """Return word ``index`` of a purpose's stream: word ``index % 4`` of block ``index // 4``."""
    return philox(key, (index // 4, 2 * purpose + overflow))[index % 4]


@lru_cache(maxsize=8)
def thresholds(sigma: Fraction, span: int) -> list[int]:
    """Return ``floor(2**80 Phi((v + 1/2) / sigma))`` for ``v`` from ``-span`` to ``span - 1``."""
    found = []
    for v in range(-span, span):
        extra, low, high = 0, 0, 1 << 80
        # Phi is irrational at halves, and below 1: with more bits both ends have one floor.
        while low >> extra != min(high, (1 << 80 + extra) - 1) >> extra:
            extra += 32
            low, high = normal_cdf((v + Fraction(1, 2)) / sigma, 80 + extra)
        found.append(low >> extra)
    return found


def sample(
    tensor: Sequence[int], key: Pair, purpose: int, index: int, sigma: Fraction, grid: Pair
) -> list[int]:
    """Return copy ``index`` of an input: ``sat(x + N)``, ``N`` the integer nearest to a Gaussian.

    ``sat`` limits to ``grid``, the least and the greatest value, ``span`` apart. ``N`` is ``-span``
    plus the number of thresholds that 80 uniform bits reach. Coordinate
    ``j`` takes its upper 16 bits from bits ``16 (j % 4)`` on of word ``j // 4`` of the copy's
    window. Only where a threshold shares them do the other 64 decide; the ``m``-th coordinate of
    which that is true takes word ``m`` of the window's reserve, then of the overflow stream.
    """
    (low, high), count = grid, len(tensor)
    span = high - low
    main, reserve = 4 * -(-count // 16), 4 * (1 + count // 256)
    start, laws = index * (main + reserve), thresholds(sigma, span)
    copy, unsettled = [], 0
    for j, x in enumerate(tensor):
        top = word(key, purpose, start + j // 4) >> 16 * (j % 4) & 0xFFFF
        least, most = bisect_right(laws, top << 64), bisect_right(laws, (top << 64) + _WORD)
        if least != most:
            late = unsettled >= reserve
            place = index * count + unsettled if late else start + main + unsettled
            least = bisect_right(laws, (top << 64) + word(key, purpose, place, overflow=late))
            unsettled += 1
        copy.append(min(max(x + least - span, low), high))
    return copy
