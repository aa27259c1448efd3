import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from qrobust.datasets._array_pickle import load_array_pickle


def python2_array(array):
    """The opcodes by which Python 2 and NumPy 1 wrote a uint8 array, protocol 2."""
    shape = b"".join(b"J" + struct.pack("<i", n) for n in array.shape)
    data = array.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01(" + shape + b"tcnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + struct.pack("<i", len(data)) + data + b"tb"
    )


def test_python2(tmp_path):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "batch"
    path.write_bytes(b"\x80\x02}(U\x04data" + python2_array(array) + b"U\x06labels](K\x01K\x02eu.")
    content = load_array_pickle(path)
    assert content[b"labels"] == [1, 2]
    np.testing.assert_array_equal(content[b"data"], array)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_python3(tmp_path, protocol):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": array, b"labels": [1, np.int64(2)]}, protocol))
    content = load_array_pickle(path)
    assert content[b"labels"] == [1, 2]
    np.testing.assert_array_equal(content[b"data"], array)


class _Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_runs_no_code(tmp_path):
    trace = tmp_path / "trace"
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(_Harmful(trace)))
    with pytest.raises(ValueError, match="batch.*not allowed"):
        load_array_pickle(path)
    assert not trace.exists()


@pytest.mark.parametrize("keep", range(0, 150, 7))
def test_cut_short(tmp_path, keep):
    path = tmp_path / "batch"
    whole = pickle.dumps({b"data": np.arange(9, dtype=np.uint8)})
    path.write_bytes(whole[:keep])
    with pytest.raises(ValueError, match="batch is no readable pickle"):
        load_array_pickle(path)
