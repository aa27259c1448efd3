"""The features of MLPerf Tiny's keyword task."""

import numpy as np

from qrobust.audio.fit_clip import CLIP_SAMPLES
from qrobust.audio.mel_matrix import mel_matrix

_WINDOW = 480  # 30 ms
_STEP = 320  # 20 ms
_FFT = 512
_MEL_BINS = 40
_COEFFICIENTS = 10
_CLIPS_AT_ONCE = 128  # bounds the memory: about 60 MB of frames and spectra


def mfcc(clips: np.ndarray) -> np.ndarray:
    """49 x 10 mel-frequency cepstral coefficients of one-second clips.

    Each clip is divided by its largest sample (the largest value, not the largest magnitude: so
    does the reference, and its network expects it).  Then, for 49 frames of 30 ms every 20 ms:
    periodic Hann window, magnitude of a 512-point FFT, 40 mel bins from 20 to 4,000 Hz,
    `log(. + 1e-6)`, DCT-II over the bins times `1 / sqrt(2 * 40)`, first 10 coefficients.

    A clip whose largest sample is not positive (silence) would be a division by zero in the
    reference; here it is divided by its largest magnitude, or left alone when that is zero too.

    Args:
        clips: `(batch, 16000)` or `(16000,)`, integers or floats of any scale, 16 kHz.

    Returns:
        float32 `(batch, 49, 10, 1)`, or `(49, 10, 1)` for a single clip.  Unit: nepers times
        `sqrt(2 * 40)`; silence gives -123.6 in coefficient 0 and 0 elsewhere.

    Raises:
        ValueError: Another shape, or a sample that is not finite.

    Source:
        mlcommons/tiny, training/keyword_spotting/get_dataset.py, `feature_type="mfcc"`;
        `tf.signal.stft`, `tf.signal.mfccs_from_log_mel_spectrograms`.
    """
    clips = np.asarray(clips)
    if clips.ndim not in (1, 2) or clips.shape[-1] != CLIP_SAMPLES:
        raise ValueError(
            f"Clips have to be (batch, {CLIP_SAMPLES}) or ({CLIP_SAMPLES},). "
            f"Received: {clips.shape}"
        )
    if not np.isfinite(clips).all():
        raise ValueError("Clips have to be finite. Received: NaN or infinity among the samples")
    batch = clips.reshape(-1, CLIP_SAMPLES)
    frames = 1 + (CLIP_SAMPLES - _WINDOW) // _STEP
    features = np.empty((len(batch), frames, _COEFFICIENTS, 1), np.float32)
    for start in range(0, len(batch), _CLIPS_AT_ONCE):
        part = slice(start, start + _CLIPS_AT_ONCE)
        features[part, :, :, 0] = _coefficients(_normalized(batch[part].astype(np.float64)))
    return features if clips.ndim == 2 else features[0]


def _normalized(clips: np.ndarray) -> np.ndarray:
    peak = clips.max(axis=1, keepdims=True)
    loudest = np.abs(clips).max(axis=1, keepdims=True)
    peak = np.where(peak > 0, peak, np.where(loudest > 0, loudest, 1.0))
    return clips / peak


def _coefficients(clips: np.ndarray) -> np.ndarray:
    """float64 `(batch, 16000)` to float64 `(batch, 49, 10)`."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    frames = np.lib.stride_tricks.sliding_window_view(clips, _WINDOW, axis=1)[:, ::_STEP]
    spectrum = np.abs(np.fft.rfft(frames * hann, _FFT))
    log_mel = np.log(spectrum @ mel_matrix(mel_bins=_MEL_BINS) + 1e-6)
    bins = np.arange(_MEL_BINS)[:, None] + 0.5
    dct = 2 * np.cos(np.pi / _MEL_BINS * bins * np.arange(_COEFFICIENTS))
    coefficients: np.ndarray = log_mel @ dct / np.sqrt(2 * _MEL_BINS)
    return coefficients
