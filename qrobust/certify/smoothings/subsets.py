r"""Counting over subsets of pixels: a certain L0 certificate, ablation without sampling.

The pixels of a picture fall into M subsets, once and for all. View s shows the pixels of subset s
and hides all others (NULL, coded as in :mod:`qrobust.certify.smoothings.bands`). Pixel p, counted
row by row, is in subset

.. math:: s_p = word_p \bmod M

with ``word_p`` the p-th 32-bit half of fixed words of Philox4x64-10. Every pixel is seen in exactly
one of the M views, so changing k pixels, to any content, changes at most k votes, and with A the
class of most votes (ties to the lowest index) every change of at most

.. math:: R = \lfloor (n_A - \max_{c \ne A} (n_c + [c < A])) / 2 \rfloor

pixels keeps A. Drawing which pixels are kept, as randomized ablation does, needs an estimate and a
failure probability; a partition that is part of the classifier needs neither.

References:
    Levine and Feizi, Robustness Certificates for Sparse Adversarial Attacks by Randomized Ablation,
    AAAI 2020. Levine and Feizi, Deep Partition Aggregation, ICLR 2021, has the partition, of
    training data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.smoothings.bands import encode
from qrobust.certify.smoothings.splits import fixed_halves

#: "ablate" in ASCII: the first word of the key that the subsets come from; the second is 0.
SUBSET_KEY = 0x61626C617465


def pixel_subsets(pixels: int, subsets: int) -> NDArray[np.int64]:
    """Return the subset of every pixel, ``word_p mod M``, int64[pixels].

    Raises:
        CertifyError: no pixels, or a number of subsets outside ``[1, pixels]``.
    """
    if not 1 <= subsets <= pixels:
        raise CertifyError(f"a picture of {pixels} pixels has 1 to {pixels} subsets, not {subsets}")
    return fixed_halves(pixels, SUBSET_KEY) % subsets


def subset_views(
    x: NDArray[Any], subsets: int, top: int, places: range | None = None
) -> NDArray[np.int64]:
    """Return what the network sees of every subset, or of those in ``places``.

    Args:
        x: integers[h, w, C] from 0 to ``top``.
        subsets: M.
        top: T.
        places: which of the M; all by default.

    Returns:
        int64[places, h, w, 2 C].
    """
    of = pixel_subsets(x.shape[0] * x.shape[1], subsets).reshape(x.shape[:2])
    places = range(subsets) if places is None else places
    return np.stack([encode(x, of == place, top) for place in places])
