"""Integer noise as a table: 80-bit thresholds and the 16-bit lookup that answers most draws.

A draw is a uniform integer ``U`` of 80 bits; its value is ``-span`` plus the number of thresholds
``t <= U``. Sixteen bits of ``U`` settle the value unless a threshold shares them, which is so for
at most ``2 * span`` of the 65,536 words (0.8 % on an 8-bit grid). Only then are the other 64 bits
drawn. This module makes the tables; the sampler beside it draws from them.

Noise further out than the input grid is wide cannot be told from the grid's own edge after
saturation, so the tables end at ``-span`` and ``+span`` and hold the tails there.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.gaussian import cdf_floor

#: Bits of a threshold: 16 from the table's word, 64 from a refinement word.
THRESHOLD_BITS = 80
WORD_BITS = 16
REFINEMENT_BITS = THRESHOLD_BITS - WORD_BITS

#: A table word below this does not settle the value: it is `FIRST_CODE` plus the word's rank among
#: all of them. No noise value is this small.
AMBIGUOUS = np.int16(-16384)
FIRST_CODE = -32768

#: The widest 8-bit grid. Sixteen-bit inputs would leave no word unambiguous.
MAX_SPAN = 255

#: A scale far above any 8-bit grid, which keeps the tables quick to make.
MAX_SIGMA = 65_535

ROUNDED_GAUSSIAN = "rounded_gaussian"


@dataclass(frozen=True, eq=False)  # one object per table: equal where identical
class NoiseTable:
    """Noise of one kind and scale on a grid of ``span + 1`` steps.

    Attributes:
        kind: name of the distribution.
        sigma: its scale in input LSB, exact.
        span: width of the input grid in LSB; values lie in ``[-span, span]``.
        thresholds: ``2 * span`` integers; entry ``i`` is ``floor(2**80 * P(N <= i - span))``.
        lookup: int16[65536], the value of a draw whose top word is the index, or a code below
            `AMBIGUOUS`.
        first: int16[m], how many thresholds lie at or below the first ``U`` of each ambiguous word.
        shared: int16[m], how many more lie within the word: one or more.
        threshold_rests: uint64[2 * span], low 64 bits of the thresholds.
    """

    kind: str
    sigma: Fraction
    span: int
    thresholds: tuple[int, ...]
    lookup: NDArray[np.int16]
    first: NDArray[np.int16]
    shared: NDArray[np.int16]
    threshold_rests: NDArray[np.uint64]

    @property
    def radius_sigma(self) -> Fraction:
        """Scale to put into Cohen's formula ``R = sigma * Phi^-1(pA)``, in LSB."""
        return self.sigma  # rounding is post-processing of a true Gaussian: the theorem as it is

    @property
    def variation(self) -> Fraction:
        """Bound on the total variation from the true noise, for one coordinate of one sample.

        Every point of the distribution function is less than ``2**-80`` too low, and a value's
        probability is a difference of two of them: half the summed error is below
        ``len(thresholds) * 2**-80``, under ``2**-71`` on an 8-bit grid.
        """
        return Fraction(len(self.thresholds), 1 << THRESHOLD_BITS)

    def refine(self, codes: NDArray[np.int16], rests: NDArray[np.uint64]) -> NDArray[np.int16]:
        """Return the values of draws that their top words leave open.

        Args:
            codes: int16[m], what `lookup` says of the top words, all below `AMBIGUOUS`.
            rests: uint64[m], the other 64 bits of the draws.

        Returns:
            int16[m].
        """
        place = codes.astype(np.intp) - FIRST_CODE
        count = self.first[place]
        step = self.threshold_rests[count] <= rests
        values: NDArray[np.int16] = count + step - np.int16(self.span)
        # One step counts one more threshold; few words hold two, so few draws go on.
        shared = self.shared[place]
        going, steps = np.flatnonzero(step & (shared > 1)), 1
        while len(going):
            step = self.threshold_rests[count[going] + steps] <= rests[going]
            values[going] += step
            steps += 1
            going = going[step & (shared[going] > steps)]
        return values


def noise_table(kind: str, sigma: Fraction, span: int) -> NoiseTable:
    """Return the table of a kind of noise, computed once per process.

    Args:
        kind: ``"rounded_gaussian"``, the integer nearest to a Gaussian of deviation ``sigma``.
        sigma: scale in input LSB, positive.
        span: width of the input grid in LSB, 1 to 255.

    Raises:
        CertifyError: an unknown kind, a sigma that is not positive, a span out of range.
    """
    if kind != ROUNDED_GAUSSIAN:
        raise CertifyError(f"unknown noise {kind!r}; known: {ROUNDED_GAUSSIAN}")
    if not 0 < sigma <= MAX_SIGMA:
        raise CertifyError(
            f"sigma must be positive and at most {MAX_SIGMA} (in input LSB), received {sigma}"
        )
    if not 1 <= span <= MAX_SPAN:
        raise CertifyError(f"an input grid spans 1 to {MAX_SPAN} steps, received {span}")
    return _noise_table(kind, sigma, span)


@lru_cache(maxsize=16)
def _noise_table(kind: str, sigma: Fraction, span: int) -> NoiseTable:
    thresholds = _rounded_gaussian(sigma, span)
    words = np.arange(1 << WORD_BITS)
    top = np.array([t >> REFINEMENT_BITS for t in thresholds], np.int64)
    rest = np.array([t & ((1 << REFINEMENT_BITS) - 1) for t in thresholds], np.uint64)
    # t <= word * 2^64 (the word's first U) exactly where ceil(t / 2^64) <= word.
    settled = np.searchsorted(top + (rest > 0), words, side="right")
    possible = np.searchsorted(top, words, side="right")
    lookup = (settled - span).astype(np.int16)
    ambiguous = np.flatnonzero(settled < possible)
    lookup[ambiguous] = FIRST_CODE + np.arange(len(ambiguous))
    first = settled[ambiguous].astype(np.int16)
    shared = (possible - settled)[ambiguous].astype(np.int16)
    for array in (lookup, first, shared, rest):
        array.flags.writeable = False
    return NoiseTable(kind, sigma, span, thresholds, lookup, first, shared, rest)


def _rounded_gaussian(sigma: Fraction, span: int) -> tuple[int, ...]:
    """``floor(2**80 * Phi((v + 1/2) / sigma))`` for ``v`` in ``[-span, span)``."""
    half = Fraction(1, 2)
    return tuple(cdf_floor((v + half) / sigma, THRESHOLD_BITS) for v in range(-span, span))
