import pickle

import numpy as np
import pytest

from qrobust.datasets import cifar10


def batch(labels, seed=0):
    data = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    return {b"data": data, b"labels": list(labels)}


def write(folder, **batches):
    folder.mkdir(exist_ok=True)
    for name, content in batches.items():
        (folder / name).write_bytes(pickle.dumps(content))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(
        tmp_path / "cifar-10-batches-py",
        data_batch_1=batch([3, 9]),
        data_batch_4=batch([0, 1, 2], seed=1),
        test_batch=batch([5], seed=2),
    )


@pytest.mark.parametrize("given", ["parent", "itself"])
def test_loads_batches_of_any_size(folder, given):
    data = cifar10(folder.parent if given == "parent" else folder)
    assert data.train.y.tolist() == [3, 9, 0, 1, 2]
    assert data.test.y.tolist() == [5]
    assert data.train.x.shape == (5, 32, 32, 3) and data.train.x.dtype == np.uint8
    assert data.class_names[3] == "cat"
    # The publisher: 1,024 red values row by row, then green, then blue.
    row = batch([3, 9])[b"data"][1]
    assert data.train.x[1, 4, 7].tolist() == [row[c * 1024 + 4 * 32 + 7] for c in range(3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "`data` and `labels` expected"),
        ({b"data": np.zeros((1, 3072), np.uint8)}, "`data` and `labels` expected"),
        ({b"data": np.zeros((1, 100), np.uint8), b"labels": [0]}, r"uint8 \(1, 100\)"),
        ({b"data": np.zeros((1, 3072)), b"labels": [0]}, "float64"),
        ({b"data": [1], b"labels": [0]}, "list"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0, 1]}, "1 integers"),
        ({b"data": np.zeros((0, 3072), np.uint8), b"labels": []}, "at least one"),
        ({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}, "10, not 0 to 9"),
    ],
)
def test_bad_batch(folder, content, message):
    write(folder, data_batch_2=content)
    with pytest.raises(ValueError, match=f"data_batch_2.*{message}"):
        cifar10(folder)


def test_truncated_batch(folder):
    path = folder / "test_batch"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="test_batch is no readable pickle"):
        cifar10(folder)


def test_one_class_only(folder):
    write(folder, data_batch_1=batch([7]), data_batch_4=batch([7, 7]))
    with pytest.raises(ValueError, match=r"at least two classes.*\['horse'\]"):
        cifar10(folder)


def test_no_test_batch(folder):
    (folder / "test_batch").unlink()
    with pytest.raises(FileNotFoundError, match="cifar-10-batches-py"):
        cifar10(folder)


def test_real_data(real_data):
    data = cifar10(real_data)
    assert len(data.train) >= 10_000
    assert set(data.train.y) == set(range(10))
    # Mean brightness of CIFAR-10: about 121.
    assert 118 < data.train.x[:5_000].mean() < 124
