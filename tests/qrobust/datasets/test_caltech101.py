import numpy as np
import pytest

from qrobust.datasets import caltech101

Image = pytest.importorskip("PIL.Image")
CLASSES = ("BACKGROUND_Google", "ant", "Faces", "yin_yang")


@pytest.fixture
def folder(tmp_path):
    """Seven pictures a class, each of one colour that tells class and number."""
    root = tmp_path / "101_ObjectCategories"
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(7):
            colour = (60 * label, 30 * number, 100)
            picture = Image.new("RGB", (20 + number, 30), colour)
            picture.save(root / name / f"image_{number:04d}.jpg", quality=95)
    return root


def load(folder, **options):
    return caltech101(folder, **{"size": 8, "train_per_class": 3, "test_per_class": 2, **options})


def test_loads(folder):
    data = load(folder.parent)
    assert data.class_names == ("Faces", "ant", "yin_yang")
    assert data.train.x.shape == (9, 8, 8, 3) and data.train.x.dtype == np.uint8
    assert np.bincount(data.train.y).tolist() == [3, 3, 3]
    assert np.bincount(data.test.y).tolist() == [2, 2, 2]
    # Red tells the class; JPEG moves it a little.
    red = data.train.x[:, 4, 4, 0].astype(int)
    assert np.abs(red - np.array([120, 60, 180])[data.train.y]).max() < 8


def test_split_follows_names_and_seed(folder):
    first, again, other = load(folder), load(folder), load(folder, seed=1)
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)
    green = [set(part.x[part.y == 0][:, 4, 4, 1] // 15) for part in (first.train, first.test)]
    assert not green[0] & green[1]


def test_all_the_rest_can_be_tested_on(folder):
    assert len(load(folder, test_per_class=50).test) == 3 * 4


def test_grey_pictures_become_rgb(folder):
    for path in (folder / "ant").glob("*.jpg"):
        Image.new("L", (10, 10), 77).save(path)
    data = load(folder)
    ants = data.train.x[data.train.y == 1]
    assert np.abs(ants.astype(int) - 77).max() < 3


def test_too_few_pictures(folder):
    for path in sorted((folder / "ant").glob("*.jpg"))[3:]:
        path.unlink()
    with pytest.raises(ValueError, match="ant holds 3 pictures; train_per_class=3"):
        load(folder)


def test_damaged_picture(folder):
    for path in (folder / "ant").glob("*.jpg"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"image_\d+\.jpg is no readable picture"):
        load(folder)


def test_background_alone_is_no_data_set(folder):
    for name in CLASSES[1:]:
        for path in (folder / name).glob("*.jpg"):
            path.unlink()
    with pytest.raises(ValueError, match="no class but BACKGROUND_Google"):
        load(folder)


@pytest.mark.parametrize("name", ["size", "train_per_class", "test_per_class"])
def test_bad_counts(folder, name):
    with pytest.raises(ValueError, match=f"{name}=0"):
        load(folder, **{name: 0})


def test_the_first_examples_are_a_fair_sample_whatever_a_class_holds(tmp_path):
    """Ten of 300 pictures have smaller hashes than ten of 12: their order may not be the choice's."""
    for name, count in (("airplanes", 300), ("ant", 13), ("yin_yang", 13)):
        (tmp_path / name).mkdir()
        picture = Image.new("RGB", (8, 8))
        for number in range(count):
            picture.save(tmp_path / name / f"image_{number:04d}.jpg")
    first = load(tmp_path, test_per_class=10).test.y[:15]
    assert np.bincount(first, minlength=3).min() >= 3
