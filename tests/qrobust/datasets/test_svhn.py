import numpy as np
import pytest

from qrobust.datasets import svhn

io = pytest.importorskip("scipy.io")


def part(*labels, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "X": rng.integers(0, 256, (32, 32, 3, len(labels)), dtype=np.uint8),
        "y": np.array(labels, np.uint8)[:, None],
    }


def write(folder, train, test):
    folder.mkdir(exist_ok=True)
    io.savemat(folder / "train_32x32.mat", train)
    io.savemat(folder / "test_32x32.mat", test, do_compression=True)
    return folder


def test_loads(tmp_path):
    train = part(10, 1, 9)
    write(tmp_path / "svhn", train, part(10, 3, seed=1))
    data = svhn(tmp_path)
    assert data.train.y.tolist() == [0, 1, 9]
    assert data.test.y.tolist() == [0, 3]
    assert data.train.x.dtype == np.uint8
    for index in range(3):
        np.testing.assert_array_equal(data.train.x[index], train["X"][..., index])


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"X": part(1)["X"]}, "no readable SVHN"),
        ({**part(1, 2), "y": np.array([[1]], np.uint8)}, "N labels"),
        ({**part(1, 2), "X": np.zeros((28, 28, 3, 2), np.uint8)}, r"\(28, 28, 3, 2\)"),
        (part(0, 1), r"1\.\.10. Found: \[0, 1\]"),
        (part(4, 4), r"at least two classes.*\['4'\]"),
    ],
)
def test_bad_content(tmp_path, train, message):
    write(tmp_path, train, part(1, 2))
    with pytest.raises(ValueError, match=message):
        svhn(tmp_path)


@pytest.mark.parametrize("keep", [0, 60, 200, 3_000])
def test_damaged(tmp_path, keep):
    write(tmp_path, part(1, 2), part(1, 2))
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"train_32x32\.mat is no readable SVHN"):
        svhn(tmp_path)
