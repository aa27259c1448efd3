import gzip
import struct

import numpy as np
import pytest

from qrobust.datasets import mnist

FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (4, 28, 28), dtype=np.uint8),
        "y_train": np.array([5, 0, 9, 5], np.uint8),
        "x_test": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
        "y_test": np.array([1, 2], np.uint8),
    }


def write_idx(folder, arrays, *, packed):
    for name, array in arrays.items():
        data = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
        path = folder / (FILES[name] + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(data) if packed else data)


@pytest.mark.parametrize("layout", ["npz", "idx", "idx.gz"])
def test_layouts(tmp_path, arrays, layout):
    folder = tmp_path if layout == "npz" else tmp_path / "mnist"
    folder.mkdir(exist_ok=True)
    if layout == "npz":
        np.savez(folder / "mnist.npz", **arrays)
    else:
        write_idx(folder, arrays, packed=layout == "idx.gz")
    data = mnist(tmp_path)
    np.testing.assert_array_equal(data.train.x, arrays["x_train"][..., None])
    np.testing.assert_array_equal(data.test.x, arrays["x_test"][..., None])
    assert data.train.y.tolist() == [5, 0, 9, 5]
    assert data.test.y.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("x_train", np.zeros((4, 27, 28), np.uint8), r"train pictures.*\(4, 27, 28\)"),
        ("x_test", np.zeros((2, 28, 28)), "test pictures.*float64"),
        ("y_train", np.zeros(3, np.uint8), r"\(4, 28, 28\) and \(3,\)"),
        ("y_train", np.full(4, 7, np.uint8), r"at least two classes.*\['7'\]"),
    ],
)
def test_bad_arrays(tmp_path, arrays, name, array, message):
    np.savez(tmp_path / "mnist.npz", **{**arrays, name: array})
    with pytest.raises(ValueError, match=message):
        mnist(tmp_path)


def test_damaged_npz(tmp_path, arrays):
    np.savez(tmp_path / "mnist.npz", **arrays)
    path = tmp_path / "mnist.npz"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"mnist\.npz is no readable"):
        mnist(tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_damaged_idx(tmp_path, arrays, packed):
    write_idx(tmp_path, arrays, packed=packed)
    path = tmp_path / (FILES["x_train"] + (".gz" if packed else ""))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="train-images.*no readable IDX"):
        mnist(tmp_path)


def test_one_idx_file_missing(tmp_path, arrays):
    write_idx(tmp_path, arrays, packed=False)
    (tmp_path / FILES["y_test"]).unlink()
    with pytest.raises(FileNotFoundError, match="MNIST"):
        mnist(tmp_path)


def test_real_data(real_data):
    data = mnist(real_data)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
