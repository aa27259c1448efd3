"""Corruptions of sound: 16-bit samples at 16 kHz, before any features are computed.

========== =====================================================================================
background ``x + g n``: pink noise (amplitude ``f^-1/2``) at a signal-to-noise ratio of ``c`` dB,
           the signal's power that of the whole clip
time_shift by ``c`` ms, earlier or later with equal chance; zeros come in
gain       ``10^(c / 20)`` times, louder (and clipped) or quieter with equal chance
========== =====================================================================================

A front end that divides each clip by its peak, as that of ``qrobust.audio`` does, sees of a gain
what clipping and rounding leave.

Source:
    Warden, Speech Commands, 2018 (arXiv 1804.03209), section 5.10: noise and shifts of up to 100 ms
    as training sees them. The strengths are our own.
"""

import numpy as np
from numpy.typing import NDArray

from qrobust.corruptions.kind import Kind

Clip = NDArray[np.float64]
_PER_MS = 16


def _background(x: Clip, c: float, rng: np.random.Generator) -> Clip:
    count = len(x) // 2 + 1
    spectrum = rng.standard_normal(count) + 1j * rng.standard_normal(count)
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, count))
    noise = np.fft.irfft(spectrum, len(x))
    power = float((x**2).mean()) / 10 ** (c / 10)
    return np.asarray(x + noise * np.sqrt(power / max(float((noise**2).mean()), 1e-30)))


def _time_shift(x: Clip, c: float, rng: np.random.Generator) -> Clip:
    by = min(len(x), int(c * _PER_MS))
    shifted = np.zeros_like(x)
    if rng.random() < 0.5:
        shifted[by:] = x[: len(x) - by]
    else:
        shifted[: len(x) - by] = x[by:]
    return shifted


def _gain(x: Clip, c: float, rng: np.random.Generator) -> Clip:
    return np.asarray(x * 10 ** ((c if rng.random() < 0.5 else -c) / 20))


#: Kinds of sound by name.
SOUNDS = {
    kind.name: kind
    for kind in (
        Kind("background", 100, (20, 15, 10, 5, 0), "dB signal to noise", _background),
        Kind("time_shift", 101, (50, 100, 150, 200, 250), "ms", _time_shift),
        Kind("gain", 102, (6, 12, 18, 24, 30), "dB", _gain),
    )
}
