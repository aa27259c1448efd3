"""Sounds to integers: the keyword task's features of WAV files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrobust.audio import feature_exponent, fit_clip, mfcc, quantize_features, read_wav
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.inputs.expected import Expected
from tflite_export.printable import one_line, printable

ENDINGS = frozenset({".wav"})


def read_sound(path: Path, expected: Expected) -> tuple[NDArray[np.int8 | np.int16], str]:
    """Return the features of one clip of 16 kHz, mono, 16 bits; see :mod:`qrobust.audio`.

    Args:
        path: of the file.
        expected: of the network, which takes as many signed numbers as there are features, in
            steps that its scale or its unit says; or the samples themselves.

    Returns:
        int8 of the network's shape, or int16[16000], and what was made of the clip, in words.

    Raises:
        CertifyError: no such clip, or a network that takes other features, or in other steps than
            powers of two.
    """
    try:
        clip = fit_clip(read_wav(path))
        if expected.samples:
            return clip, "stayed sound, one second of it"
        exponent = feature_exponent(expected.scale, expected.unit)
        features = quantize_features(mfcc(clip), exponent)
    except (OSError, ValueError) as error:
        raise CertifyError(f"{printable(str(path))}: {one_line(error)}") from None
    size = int(np.prod(expected.shape))
    if features.size != size or (expected.low, expected.high) != (-128, 127):
        raise CertifyError(
            f"{printable(str(path))} is a sound of {features.shape} features from -128 to 127; "
            f"the network takes {expected.shape} from {expected.low} to {expected.high}"
        )
    return features.reshape(expected.shape), f"became 49 x 10 MFCC in steps of {2.0**exponent:g}"
