"""The filter bank from frequency bins to mel bins."""

import numpy as np


def mel_matrix(
    *,
    mel_bins: int = 40,
    frequency_bins: int = 257,
    sample_rate: float = 16_000.0,
    low: float = 20.0,
    high: float = 4_000.0,
) -> np.ndarray:
    """Triangles that are evenly spaced, and straight, on the mel scale m(f) = 1127 ln(1 + f/700).

    Triangle k rises from edge k to 1 at edge k + 1 and falls to 0 at edge k + 2, the
    `mel_bins + 2` edges running from m(low) to m(high).  The bin of 0 Hz gets no weight.

    Args:
        mel_bins: Number of triangles.
        frequency_bins: Bins of the magnitude spectrum, from 0 Hz to half the sample rate.
        sample_rate: In Hz.
        low: Lowest edge in Hz.
        high: Highest edge in Hz.

    Returns:
        float64 `(frequency_bins, mel_bins)`; multiply a spectrum from the left.

    Raises:
        ValueError: Edges that are not 0 <= low < high <= sample_rate / 2; no bins.

    Source:
        `tf.signal.linear_to_mel_weight_matrix` (HTK's formula).
    """
    if not 0 <= low < high <= sample_rate / 2:
        raise ValueError(
            "Edges have to satisfy 0 <= low < high <= sample_rate / 2. "
            f"Received: low={low}, high={high}, sample_rate={sample_rate}"
        )
    if min(mel_bins, frequency_bins) < 1:
        raise ValueError(
            f"There is at least one bin. Received: mel_bins={mel_bins}, "
            f"frequency_bins={frequency_bins}"
        )
    frequency = np.linspace(0.0, sample_rate / 2, frequency_bins)
    mel = _mel(frequency)[:, None]
    edges = np.linspace(_mel(low), _mel(high), mel_bins + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (mel - left) / (centre - left)
    falling = (right - mel) / (right - centre)
    weights: np.ndarray = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0
    return weights


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)
