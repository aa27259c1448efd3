"""Data of one's own: folders of classes and arrays become training and test parts."""

import numpy as np
import pytest
from PIL import Image

from qrobust.datasets import own_data

RNG = np.random.default_rng(2)


def fill(folder, counts):
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            array = RNG.integers(0, 256, (6, 6, 3)).astype(np.uint8)
            Image.fromarray(array).save(folder / name / f"{i:02}.png")


def pixels(part):
    return {row.tobytes() for row in part.x}


def test_folders_of_classes_are_split_by_their_names(tmp_path):
    fill(tmp_path, {"cat": 10, "dog": 5, "owl": 2})
    found = own_data(tmp_path, (6, 6, 3))
    assert found.class_names == ("cat", "dog", "owl")
    assert np.bincount(found.test.y).tolist() == [2, 1, 1]
    assert np.bincount(found.train.y).tolist() == [8, 4, 1]
    assert not pixels(found.train) & pixels(found.test)
    again, other = own_data(tmp_path, (6, 6, 3)), own_data(tmp_path, (6, 6, 3), seed=1)
    assert np.array_equal(found.test.x, again.test.x)
    assert pixels(found.test) != pixels(other.test)
    wanted = np.asarray(Image.open(tmp_path / "cat" / "00.png"))
    assert any(np.array_equal(x, wanted) for x in (*found.train.x, *found.test.x))


def test_parts_that_exist_are_kept_and_know_the_same_classes(tmp_path):
    fill(tmp_path / "train", {"cat": 3, "dog": 3})
    fill(tmp_path / "test", {"dog": 2})
    found = own_data(tmp_path, (6, 6, 3))
    assert (len(found.train), found.test.y.tolist()) == (6, [1, 1])


def test_arrays(tmp_path):
    x, y = RNG.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8), np.arange(20) % 3
    np.savez(tmp_path / "a.npz", x=x, y=y)
    found = own_data(tmp_path / "a.npz", test_share=0.25)
    assert (len(found.train), len(found.test)) == (15, 5)
    assert not pixels(found.train) & pixels(found.test)
    np.savez(tmp_path / "b.npz", x_train=x[:12], y_train=y[:12], x_test=x[12:], y_test=y[12:])
    parts = own_data(tmp_path / "b.npz")
    assert np.array_equal(parts.test.x, x[12:]) and parts.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((4, 3), np.uint8)}, "holds no y"),
        ({"x": np.zeros((4, 3)), "y": np.arange(4)}, "integers"),
        ({"x": np.zeros((4, 3), np.int32), "y": np.arange(4)}, "uint8 pixels or int8"),
        ({"z": np.zeros(3)}, "it needs x"),
    ],
)
def test_arrays_that_cannot_be_trained_on(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        own_data(tmp_path / "a.npz")


def test_folders_that_cannot_be_trained_on(tmp_path):
    with pytest.raises(ValueError, match="no folder and no file"):
        own_data(tmp_path / "none", (6, 6, 3))
    fill(tmp_path / "few", {"cat": 1, "dog": 3})
    with pytest.raises(ValueError, match="none is left to test on"):
        own_data(tmp_path / "few", (6, 6, 3))
    with pytest.raises(ValueError, match="give the shape"):
        own_data(tmp_path / "few")
    with pytest.raises(ValueError, match="training needs the true classes"):
        own_data(tmp_path / "few" / "dog", (6, 6, 3))


def test_a_table_is_split_as_the_folders_that_it_names(tmp_path):
    fill(tmp_path, {"cat": 10, "dog": 5})
    files = sorted(tmp_path.glob("*/*.png"))
    rows = [f"{p.relative_to(tmp_path)},{p.parent.name}" for p in files]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *rows[::-1]]))
    table = own_data(tmp_path / "t.csv", (6, 6, 3))
    folders = own_data(tmp_path, (6, 6, 3))
    assert table.class_names == ("cat", "dog")
    assert pixels(table.test) == pixels(folders.test) and len(table.test) == 3
    assert pixels(table.train) == pixels(folders.train)


def test_tables_that_cannot_be_trained_on(tmp_path):
    fill(tmp_path, {"cat": 3})
    table = tmp_path / "t.csv"
    for text, message in (
        ("path\ncat/00.png\n", "no column label"),
        ("path,label\ncat/00.png,a\ncat/00.png,a\n", "names a file twice"),
        ("path,label\ncat/00.png,a\ncat/01.png,a\ncat/02.png,b\n", "none is left to test on"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=message):
            own_data(table, (6, 6, 3))
    with pytest.raises(ValueError, match="give the shape"):
        own_data(table)
