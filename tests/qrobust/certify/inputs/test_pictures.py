"""Pictures: size, channels, orientation and transparency, against pixels known by hand."""

import builtins

import numpy as np
import pytest
from PIL import Image

from qrobust.certify import CertifyError
from qrobust.certify.inputs import pictures
from qrobust.certify.inputs.expected import Expected
from qrobust.certify.inputs.pictures import read_picture

RNG = np.random.default_rng(3)


def save(folder, array, name="p.png", mode=None, **options):
    picture = Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize(
    ("channels", "ending"), [(1, ".png"), (3, ".bmp"), (3, ".ppm"), (1, ".tif")]
)
def test_pixels_of_the_right_size_are_untouched(tmp_path, channels, ending):
    x = RNG.integers(0, 256, (6, 9, channels)).astype(np.uint8)
    path = save(tmp_path, x.squeeze(), f"p{ending}")
    for fit in ("crop", "stretch", "exact"):
        found, done = read_picture(path, Expected((6, 9, channels), fit=fit))
        assert done == "" and found.dtype == np.uint8
        assert np.array_equal(found, x)


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
def test_more_than_8_bits_are_refused_and_not_cut_off(tmp_path, kind):
    path = save(tmp_path, (1000 * np.arange(48).reshape(6, 8)).astype(kind), "p.tif")
    with pytest.raises(CertifyError, match="more than 8 bits a channel"):
        read_picture(path, Expected((6, 8, 1)))


def test_a_wide_picture_is_cut_to_its_centre(tmp_path):
    x = np.zeros((8, 24, 3), np.uint8)
    x[:, 8:16] = 200  # the middle square
    found, done = read_picture(save(tmp_path, x), Expected((8, 8, 3)))
    assert (found == 200).all() and done == "cut to their centre and resized to 8 x 8"
    whole, done = read_picture(save(tmp_path, x), Expected((8, 8, 3), fit="stretch"))
    assert whole.min() == 0 and done == "stretched to 8 x 8"
    with pytest.raises(CertifyError, match="24 x 8 pixels, the network takes 8 x 8"):
        read_picture(save(tmp_path, x), Expected((8, 8, 3), fit="exact"))


def test_a_tall_picture_for_a_wide_network(tmp_path):
    x = np.zeros((40, 10, 3), np.uint8)
    x[17:23] = 90  # ten wide and six high: 5 to 3
    found, _ = read_picture(save(tmp_path, x), Expected((3, 5, 3)))
    assert (found == 90).all()


def test_grey_is_the_luma_of_colours_and_colours_are_grey_three_times(tmp_path):
    x = RNG.integers(0, 256, (4, 5, 3)).astype(np.uint8)
    grey, _ = read_picture(save(tmp_path, x), Expected((4, 5, 1)))
    luma = x @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - luma).max() <= 1
    found, _ = read_picture(save(tmp_path, x[..., 0]), Expected((4, 5, 3)))
    assert np.array_equal(found, np.repeat(x[..., :1], 3, -1))


def test_cameras_that_lie_on_their_side_are_turned(tmp_path):
    x = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees clockwise to view"
    path = save(tmp_path, x, exif=exif)
    found, _ = read_picture(path, Expected((6, 4, 3), fit="exact"))
    assert np.array_equal(found, np.rot90(x, -1))


def test_what_is_transparent_is_white(tmp_path):
    x = np.zeros((3, 3, 4), np.uint8)
    x[0, 0] = (10, 20, 30, 255)
    found, _ = read_picture(save(tmp_path, x), Expected((3, 3, 3)))
    assert tuple(found[0, 0]) == (10, 20, 30) and (found[1:] == 255).all()


@pytest.mark.parametrize(
    ("shape", "low", "high"), [((49, 10, 1), -128, 127), ((12,), 0, 255), ((4, 4, 2), 0, 255)]
)
def test_networks_that_take_no_pictures_are_named(tmp_path, shape, low, high):
    path = save(tmp_path, np.zeros((4, 4), np.uint8))
    with pytest.raises(CertifyError, match="is a picture; the network takes"):
        read_picture(path, Expected(shape, low, high))


def test_files_that_are_no_pictures(tmp_path):
    path = tmp_path / "p.png"
    whole = save(tmp_path, RNG.integers(0, 256, (40, 40, 3)).astype(np.uint8), "whole.png")
    for content in (b"", b"no picture", whole.read_bytes()[:900]):
        path.write_bytes(content)
        with pytest.raises(CertifyError, match="no readable picture"):
            read_picture(path, Expected((40, 40, 3)))
    with pytest.raises(CertifyError, match="no readable picture"):
        read_picture(tmp_path / "none.png", Expected((4, 4, 3)))


def test_a_picture_that_would_fill_memory_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PIXELS", 99)
    path = save(tmp_path, np.zeros((10, 10), np.uint8))
    with pytest.raises(CertifyError, match="10 x 10 pixels; at most 99"):
        read_picture(path, Expected((4, 4, 1)))


def test_without_pillow_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = save(tmp_path, np.zeros((4, 4), np.uint8))
    found = builtins.__import__

    def without(name, *rest, **more):
        if name == "PIL":
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CertifyError, match="pip install pillow"):
        read_picture(path, Expected((4, 4, 1)))
