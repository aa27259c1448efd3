"""From a spoken word to integers: WAV -> one second -> 49 x 10 MFCC -> signed 8-bit grid.

The keyword-spotting front end of MLPerf Tiny in NumPy alone.  It is floating point: a certificate
of a file holds on the quantized features it hands over, not on the sound; one about sound takes
`qrobust.SoundCertifier`.  No streaming, no augmentation.
"""

from qrobust.audio.eight_bits import eight_bits
from qrobust.audio.feature_exponent import feature_exponent
from qrobust.audio.fit_clip import CLIP_SAMPLES, fit_clip
from qrobust.audio.front_end import front_end_sha256
from qrobust.audio.mel_matrix import mel_matrix
from qrobust.audio.mfcc import mfcc
from qrobust.audio.quantize_features import FEATURE_EXPONENT, quantize_features
from qrobust.audio.read_wav import SAMPLE_RATE, read_wav
from qrobust.audio.step_in_decibels import step_in_decibels

__all__ = [
    "CLIP_SAMPLES",
    "FEATURE_EXPONENT",
    "SAMPLE_RATE",
    "eight_bits",
    "feature_exponent",
    "fit_clip",
    "front_end_sha256",
    "mel_matrix",
    "mfcc",
    "quantize_features",
    "read_wav",
    "step_in_decibels",
]
