"""Bringing a clip to the length that the features need."""

import numpy as np

CLIP_SAMPLES = 16_000  # one second at 16 kHz


def fit_clip(samples: np.ndarray, *, length: int = CLIP_SAMPLES) -> np.ndarray:
    """Pad with zeros at the end, or cut the end off.

    Args:
        samples: `(samples,)`, any dtype.
        length: Wanted number of samples.

    Returns:
        `(length,)`, same dtype.

    Raises:
        ValueError: Samples with more or fewer than one axis, or no sample at all; a length under 1.
    """
    if length < 1:
        raise ValueError(f"A clip has at least one sample. Received: length={length}")
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.size == 0:
        raise ValueError(f"A clip has one axis and at least one sample. Received: {samples.shape}")
    return np.pad(samples[:length], (0, max(0, length - samples.size)))
