"""What one step of a feature is in sound."""

import math

from qrobust.audio.quantize_features import FEATURE_EXPONENT

_MEL_BINS = 40


def step_in_decibels(coefficient: int, exponent: int = FEATURE_EXPONENT) -> float:
    """Root mean square over the 40 mel bands, in dB, of a change by one step of a coefficient.

    The coefficients are `c_k = sqrt(2 / 40) sum_b log(m_b) cos(pi k (b + 1/2) / 40)`. Coefficients
    1 to 9 are an orthonormal basis's: the least change of the log energies that moves c_k by s has
    the norm s, in nepers. Coefficient 0 is sqrt(2) times such a one. So with `s = 2^exponent` the
    root mean square over bands is `s / sqrt(40)` nepers, for coefficient 0 `s / sqrt(80)`, and a
    neper of these magnitudes is `20 / ln(10)` = 8.69 dB.

    In other words: at steps of 1/2, one step of coefficient 0 is .49 dB more or less in every band
    of one frame, one step of another coefficient .69 dB, distributed like its cosine.

    Args:
        coefficient: 0 to 9.
        exponent: logarithm to base 2 of the grid's step.

    Raises:
        ValueError: no such coefficient.
    """
    if not 0 <= coefficient <= 9:
        raise ValueError(f"coefficients are 0 to 9. Received: {coefficient}")
    nepers = 2.0**exponent / math.sqrt(2 * _MEL_BINS if coefficient == 0 else _MEL_BINS)
    return nepers * 20 / math.log(10)
