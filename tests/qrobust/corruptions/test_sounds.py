import numpy as np
import pytest

from qrobust.corruptions import SOUNDS, corrupt

CLIPS = (3000 * np.sin(np.arange(16000) * [[0.02], [0.31], [0.5]])).astype(np.int16)


@pytest.mark.parametrize("strength", [1, 3, 5])
def test_background_has_its_ratio_and_falls_with_frequency(strength):
    noise = corrupt(CLIPS, "background", strength).astype(float) - CLIPS
    power = (CLIPS.astype(float) ** 2).mean(axis=1) / (noise**2).mean(axis=1)
    wanted = SOUNDS["background"].strengths[strength - 1]
    np.testing.assert_allclose(10 * np.log10(power), wanted, atol=0.05)
    spectrum = (np.abs(np.fft.rfft(noise, axis=1)) ** 2).mean(axis=0)
    # Pink: the power of each octave is about the same.
    octaves = [spectrum[2**k : 2 ** (k + 1)].sum() for k in range(6, 12)]
    assert max(octaves) < 1.6 * min(octaves)


def test_silence_stays_silent():
    assert not corrupt(np.zeros((2, 16000), np.int16), "background", 5).any()


def test_a_shift_moves_either_way_and_brings_zeros():
    clips = np.repeat(np.arange(1, 16001, dtype=np.int16)[None], 20, axis=0)
    later = earlier = 0
    for made in corrupt(clips, "time_shift", 2):
        by = 1600  # 100 ms
        if made[0] == 0:
            later += 1
            assert not made[:by].any() and (made[by:] == clips[0, : 16000 - by]).all()
        else:
            earlier += 1
            assert not made[-by:].any() and (made[:-by] == clips[0, by:]).all()
    assert later > 3 and earlier > 3


def test_gain_is_in_decibels_and_saturates():
    made = corrupt(np.repeat(CLIPS, 8, axis=0), "gain", 2)
    peaks = {int(np.abs(clip.astype(int)).max()) for clip in made}
    loud, quiet = 3000 * 10**0.6, 3000 / 10**0.6
    assert all(min(abs(p - loud), abs(p - quiet)) < 15 for p in peaks) and len(peaks) > 1
    assert corrupt(np.repeat(CLIPS, 8, axis=0), "gain", 5).max() == 32767
