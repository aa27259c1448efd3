"""Which step of the features a keyword file's integers count."""

import re
from math import frexp

from qrobust.audio.quantize_features import FEATURE_EXPONENT

_UNIT = re.compile(r"2\^(-?\d+) each")


def feature_exponent(scale: float, unit: str | None = None) -> int:
    """Logarithm to base 2 of the step of the features that one step of a file's input is.

    A file's own scale says it, unless it is 1: networks of this package read the features'
    integers as they are, whatever those count, and leave 1 in the file. Then the unit of the
    smoothing spec says it ("feature step (quantized MFCC, 2^-1 each)"), and of a file without one
    it is `FEATURE_EXPONENT`, the grid of ``datasets.speech_commands``.

    Args:
        scale: of the file's input tensor.
        unit: of its smoothing spec; None where it has none.

    Raises:
        ValueError: a scale that is no power of two.
    """
    mantissa, power = frexp(scale)
    if mantissa != 0.5:
        raise ValueError(f"features are on a grid of a power of two. Received: a step of {scale:g}")
    if scale != 1:
        return power - 1
    said = _UNIT.search(unit or "")
    return int(said[1]) if said else FEATURE_EXPONENT
