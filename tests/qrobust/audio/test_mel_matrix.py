import numpy as np
import pytest

from qrobust.audio import mel_matrix


@pytest.mark.parametrize(
    ("bins", "low", "high"), [(40, 20.0, 4_000.0), (10, 0.0, 8_000.0), (80, 125.0, 7_600.0)]
)
def test_equals_tensorflow(bins, low, high):
    tf = pytest.importorskip("tensorflow")
    wanted = tf.signal.linear_to_mel_weight_matrix(bins, 257, 16_000, low, high, tf.float64)
    # TensorFlow computes the frequencies of the bins in another order.
    np.testing.assert_allclose(
        mel_matrix(mel_bins=bins, low=low, high=high), wanted, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize(("low", "high"), [(-1, 100), (100, 100), (20, 8_001)])
def test_bad_edges(low, high):
    with pytest.raises(ValueError, match=f"low={low}, high={high}"):
        mel_matrix(low=low, high=high)


@pytest.mark.parametrize("bins", [{"mel_bins": -1}, {"frequency_bins": 0}])
def test_there_are_bins(bins):
    with pytest.raises(ValueError, match="at least one bin"):
        mel_matrix(**bins)
