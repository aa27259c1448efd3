import numpy as np
import pytest

from qrobust.audio import mfcc, step_in_decibels


def words(batch=3, seed=0):
    """Something with an envelope and a spectrum, int16."""
    rng = np.random.default_rng(seed)
    time = np.arange(16_000) / 16_000
    tones = np.sin(2 * np.pi * rng.uniform(100, 3_000, (batch, 1)) * time)
    envelope = np.exp(-(((time - 0.5) / 0.2) ** 2))
    sound = (tones + rng.normal(0, 0.1, (batch, 16_000))) * envelope * 9_000
    return sound.astype(np.int16)


def reference(clips):
    """The front end of the MLPerf Tiny reference, in TensorFlow."""
    tf = pytest.importorskip("tensorflow")
    clips = tf.cast(clips, tf.float32)
    clips /= tf.reduce_max(clips, axis=1, keepdims=True)
    spectra = tf.abs(tf.signal.stft(clips, 480, 320, window_fn=tf.signal.hann_window))
    mel = tf.signal.linear_to_mel_weight_matrix(40, spectra.shape[-1], 16_000, 20.0, 4_000.0)
    log_mel = tf.math.log(tf.tensordot(spectra, mel, 1) + 1e-6)
    return tf.signal.mfccs_from_log_mel_spectrograms(log_mel)[..., :10, None].numpy()


def test_equals_tensorflow():
    clips = words()
    features = mfcc(clips)
    assert features.dtype == np.float32 and features.shape == (3, 49, 10, 1)
    # TensorFlow works in float32, and the logarithm of a nearly empty bin (1e-6) enlarges that:
    # 2.5e-4 at most on 260 real clips.
    np.testing.assert_allclose(features, reference(clips), rtol=0, atol=1e-3)


def test_scale_of_the_samples_does_not_matter():
    clips = words()
    np.testing.assert_array_equal(mfcc(clips), mfcc(clips / 2**15))
    # Nor does loudness, of which docs/certificates.md says that it is no change of the features.
    np.testing.assert_array_equal(mfcc(clips), mfcc(clips * 0.5))


def test_a_level_against_the_peak_does_matter():
    """Everything but the peak 20 dB softer: what a step of coefficient 0 is about."""
    clip = words(1)[0].astype(float)
    softer = clip * 0.1
    softer[clip.argmax()] = clip.max()
    away = np.arange(49) * 320 > clip.argmax() + 480  # frames that do not hold the peak
    moved = (mfcc(clip) - mfcc(softer))[away, 0, 0] / 0.5  # in steps of 1/2
    # log(. + 1e-6) is not quite the logarithm, where the envelope dies away.
    assert moved.max() == pytest.approx(20 / step_in_decibels(0), rel=0.01)


def test_divides_by_the_largest_value_not_the_largest_magnitude():
    clip = np.zeros(16_000)
    clip[500], clip[900] = 1.0, -2.0
    np.testing.assert_array_equal(mfcc(3 * clip), mfcc(clip))
    assert np.abs(mfcc(-clip) - mfcc(clip)).max() > 1  # divided by 2 instead of by 1


def test_silence():
    features = mfcc(np.zeros(16_000, np.int16))
    assert features.shape == (49, 10, 1)
    # DCT-II of a constant: 2 * 40 * log(1e-6) / sqrt(80) in coefficient 0.
    np.testing.assert_allclose(features[:, 0], 2 * 40 * np.log(1e-6) / np.sqrt(80), rtol=1e-6)
    np.testing.assert_allclose(features[:, 1:], 0, atol=1e-4)


def test_no_positive_sample():
    clip = -words(1)[0].clip(0)
    np.testing.assert_array_equal(mfcc(clip), mfcc(clip / 100.0))
    assert np.isfinite(mfcc(clip)).all()


def test_many_clips_are_computed_in_parts():
    clips = np.concatenate([words(2, seed) for seed in range(70)])
    # A matrix product may sum in another order for another number of rows.
    np.testing.assert_allclose(mfcc(clips)[135], mfcc(clips[135]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(15_999,), (2, 8_000), (1, 1, 16_000)])
def test_bad_shape(shape):
    with pytest.raises(ValueError, match="Received: "):
        mfcc(np.zeros(shape))


def test_not_finite():
    clip = np.zeros(16_000)
    clip[7] = np.nan
    with pytest.raises(ValueError, match="finite"):
        mfcc(clip)
