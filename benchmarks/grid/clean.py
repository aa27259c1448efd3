"""Accuracy without anything, and how far confidence is from it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grid.subject import Subject

VERSION = "clean 1; expected calibration error, 15 bins of equal width"
_BINS = 15


def clean(subject: Subject) -> dict[str, Any]:
    """Which images are right, and the expected calibration error (Guo et al. 2017, 15 bins)."""
    logits = subject.logits(subject.x).astype(np.float64)
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    confidence = shifted.max(-1) / shifted.sum(-1)
    right = logits.argmax(-1) == subject.y
    return {"right": right.tolist(), "calibration_error": calibration_error(confidence, right)}


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """``sum_b |B_b| / n |accuracy(B_b) - confidence(B_b)|`` over bins of confidence, in [0, 1]."""
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(float((right[bins == b] - confidence[bins == b]).sum())) for b in range(_BINS)]
    return sum(gaps) / len(right)
