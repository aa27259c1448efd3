"""Every formula against somebody else's: SciPy, colorsys, Pillow, counts and moments."""

import colorsys
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from qrobust.corruptions import PICTURES, corrupt
from qrobust.corruptions.pictures import landscape

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
FLAT = np.full((4, 64, 64, 1), 128, np.uint8)


def value(kind, strength):
    return PICTURES[kind].strengths[strength - 1]


@pytest.mark.parametrize("strength", [1, 3, 5])
def test_gaussian_noise_has_its_spread(strength):
    noise = corrupt(FLAT, "gaussian_noise", strength).astype(float) - 128
    assert noise.std() == pytest.approx(255 * value("gaussian_noise", strength), rel=0.03)
    assert abs(noise.mean()) < 0.5


@pytest.mark.parametrize("strength", [1, 5])
def test_shot_noise_grows_with_the_root_of_light(strength):
    c = value("shot_noise", strength)
    for level in (32, 128):
        noise = corrupt(np.full_like(FLAT, level), "shot_noise", strength).astype(float)
        assert noise.mean() == pytest.approx(level, rel=0.02)
        assert noise.std() == pytest.approx(255 * np.sqrt(level / 255 / c), rel=0.05)
    assert not corrupt(np.zeros_like(FLAT), "shot_noise", strength).any()


@pytest.mark.parametrize("strength", [1, 2, 3, 4, 5])
def test_blur_is_scipys(strength):
    sigma = value("blur", strength)
    expected = [
        np.floor(ndimage.gaussian_filter(x.astype(float), (sigma, sigma, 0), mode="nearest") + 0.5)
        for x in COLOUR
    ]
    np.testing.assert_array_equal(corrupt(COLOUR, "blur", strength), np.array(expected))


@pytest.mark.parametrize("strength", [1, 5])
def test_brightness_is_that_of_colorsys(strength):
    x = np.concatenate([COLOUR[:2, :8, :8], np.zeros((2, 8, 8, 3), np.uint8)])
    made = corrupt(x, "brightness", strength)
    for before, after in zip(x.reshape(-1, 3), made.reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(before / 255))
        lifted = colorsys.hsv_to_rgb(h, s, min(v + value("brightness", strength), 1.0))
        np.testing.assert_allclose(after, 255 * np.array(lifted), atol=0.5 + 1e-6)


def test_contrast_shrinks_about_each_channels_mean():
    made = corrupt(COLOUR, "contrast", 5).astype(float)
    means = COLOUR.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(made, means + 0.15 * (COLOUR - means), atol=0.5 + 1e-9)


def test_jpeg_is_pillows():
    for x, made in zip(COLOUR, corrupt(COLOUR, "jpeg", 5), strict=True):
        stream = io.BytesIO()
        Image.fromarray(x).save(stream, "JPEG", quality=40)
        np.testing.assert_array_equal(made, np.asarray(Image.open(stream)))
    grey = corrupt(COLOUR[..., :1], "jpeg", 1)
    assert grey.shape == (6, 32, 32, 1) and (grey != COLOUR[..., :1]).any()


def test_a_sensor_of_two_bits_has_four_levels_and_keeps_black_and_white():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    made = corrupt(ramp, "bit_depth", 5).ravel()
    assert sorted(set(made.tolist())) == [0, 85, 170, 255]
    np.testing.assert_array_equal(made, [85 * ((3 * p * 2 + 255) // 510) for p in range(256)])
    assert len(set(corrupt(ramp, "bit_depth", 1).ravel().tolist())) == 64


def test_fog_lifts_black_and_flattens():
    black = np.zeros((1, 32, 32, 3), np.uint8)
    black[0, 0, 0] = 255
    made = corrupt(black, "fog", 5).astype(float)
    # (0 + 1.5 p) / 2.5 with p from 0 to 1, and the same in every channel.
    assert made[0, 1:].max() <= 0.6 * 255 + 0.5 and made[0, 1:].mean() > 0.2 * 255
    assert (made[0, 1:, :, 0] == made[0, 1:, :, 1]).all()
    assert corrupt(COLOUR, "fog", 5).std() < corrupt(COLOUR, "fog", 1).std() < COLOUR.std()


def test_a_landscape_is_smooth_where_octaves_fade_fast():
    rough, smooth = (landscape(32, 24, d, np.random.default_rng(1)) for d in (1.2, 4.0))
    for surface in (rough, smooth):
        assert surface.shape == (32, 24) and surface.min() == 0 and surface.max() == 1
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.5 * np.abs(np.diff(rough, axis=0)).mean()
