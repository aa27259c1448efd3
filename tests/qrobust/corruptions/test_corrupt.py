import numpy as np
import pytest

from qrobust.corruptions import KINDS, PICTURES, STRENGTHS, corrupt
from qrobust.corruptions import corrupt as function
from qrobust.corruptions.corrupt import available

RNG = np.random.default_rng(1)
PICTURE = RNG.integers(0, 256, (5, 12, 10, 3)).astype(np.uint8)
SOUND = RNG.integers(-9000, 9000, (5, 4000)).astype(np.int16)


def inputs(kind):
    return PICTURE if kind in PICTURES else SOUND


@pytest.mark.parametrize("kind", KINDS)
def test_integers_in_and_out_whatever_the_batch(kind):
    x = inputs(kind)
    for strength in STRENGTHS:
        made = corrupt(x, kind, strength, seed=3)
        assert made.dtype == x.dtype and made.shape == x.shape
        np.testing.assert_array_equal(corrupt(x, kind, strength, seed=3), made)
        alone = corrupt(x[2:3], kind, strength, seed=3, start=2)
        np.testing.assert_array_equal(alone, made[2:3])
    assert (made != x).any()
    untouched = inputs(kind).copy()
    np.testing.assert_array_equal(untouched, x)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"time_shift"}))
def test_strengths_rise(kind):
    """(Of white noise every shift is as far away as any other.)"""
    x = inputs(kind)
    harm = [np.abs(corrupt(x, kind, s, seed=0).astype(float) - x).mean() for s in STRENGTHS]
    assert harm == sorted(harm)


def test_another_seed_is_other_noise():
    random = {"gaussian_noise", "shot_noise", "fog", "background", "time_shift", "gain"}
    for kind in KINDS:
        one, two = (corrupt(inputs(kind), kind, 3, seed=s) for s in (0, 1))
        assert (one != two).any() == (kind in random), kind


def test_numbers_in_seeds_are_each_kinds_own():
    numbers = [kind.number for kind in KINDS.values()]
    assert len(set(numbers)) == len(numbers)
    assert {k.name: k.number for k in KINDS.values()}["jpeg"] == 6  # never renumbered


@pytest.mark.parametrize(
    ("x", "kind", "strength", "word"),
    [
        (PICTURE, "snow", 1, "one of gaussian_noise"),
        (PICTURE, "blur", 0, "1 to 5"),
        (PICTURE, "blur", 6, "1 to 5"),
        (PICTURE.astype(np.int16), "blur", 1, "uint8"),
        (PICTURE[..., :2], "blur", 1, "1 or 3"),
        (PICTURE, "gain", 1, "of sound"),
        (SOUND, "blur", 1, "of pictures"),
        (SOUND.astype(np.float32), "gain", 1, "int16"),
    ],
)
def test_what_cannot_be_is_refused(x, kind, strength, word):
    with pytest.raises(ValueError, match=word):
        corrupt(x, kind, strength)


def test_without_pillow_jpeg_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not available("jpeg") and available("blur")
    with pytest.raises(ValueError, match="pip install pillow"):
        function(PICTURE, "jpeg", 1)
