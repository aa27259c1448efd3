import io
import os
import random
import resource
import threading
import zipfile

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.data import load_data, make_data


def test_load(tmp_path):
    x, y = np.arange(12, dtype=np.uint8).reshape(3, 4), np.array([0, 1, 2], np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savez_compressed(tmp_path / "b.npz", x=np.asfortranarray(x), y=y.astype(np.int32))
    a, b = load_data(tmp_path / "a.npz"), load_data(tmp_path / "b.npz")
    np.testing.assert_array_equal(a.x, x)
    assert a.y.dtype == np.int64
    assert (len(a), a.label(2)) == (3, 2)
    assert a.sha256 == b.sha256 == make_data(x.astype(">u1"), y).sha256
    assert make_data(x).sha256 != a.sha256
    assert make_data(x).label(0) is None
    assert make_data(x.reshape(3, 2, 2)).sha256 != make_data(x).sha256


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(3), None, r"x must be \(images, ...\), received shape \(3,\)"),
        (np.zeros((0, 3)), None, r"received shape \(0, 3\)"),
        (np.zeros((2, 3), bool), None, "integers or floats, received bool"),
        (np.zeros((2, 3)), np.zeros(3, int), r"y must be 2 integers, received int64 of shape"),
        (np.zeros((2, 3)), np.zeros(2), "y must be 2 integers, received float64"),
        (np.zeros((2, 3)), np.zeros((2, 1), int), r"shape \(2, 1\)"),
    ],
)
def test_bad_arrays(x, y, message):
    with pytest.raises(CertifyError, match=message):
        make_data(x, y)


def test_bad_files(tmp_path):
    with pytest.raises(CertifyError, match="cannot read the data .*No such file"):
        load_data(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    with pytest.raises(CertifyError, match="no readable .npz"):
        load_data(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", np.zeros((2, 2)))
    with pytest.raises(CertifyError, match="a single array"):
        load_data(tmp_path / "one.npy")
    np.savez(tmp_path / "other.npz", images=np.zeros((2, 2)))
    with pytest.raises(CertifyError, match="holds images; it needs x"):
        load_data(tmp_path / "other.npz")
    np.savez(tmp_path / "pickle.npz", x=np.array([[object()]]))
    with pytest.raises(CertifyError, match="no readable .npz"):
        load_data(tmp_path / "pickle.npz")


def test_truncated_at_many_bytes(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(400).reshape(4, 100))
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(CertifyError, match="a.npz"):
            load_data(path)


def npy(shape, content=b"", descr="|u1"):
    """An array whose header claims a shape."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}"
    header = header.ljust((len(header) + 10) // 64 * 64 + 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


@pytest.mark.parametrize(
    "x",
    [
        npy("(64000000000000, 1)"),
        npy("(2, 3)", bytes(5)),
        npy("(2, 3)", bytes(7)),
        npy("(-2, -3)", bytes(6)),
        npy("(1 << 60, 5)"),
        npy("(2, 3)", bytes(48), "O"),
        npy("(" * 3000),
        b"\x93NUMPY\x09\x00",
    ],
    ids=range(8),
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_headers_that_lie_cost_nothing(tmp_path, x, compression):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as archive:
        archive.writestr("x.npy", x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CertifyError, match="no readable .npz"):
        load_data(tmp_path / "a.npz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path, compression):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as archive:
        archive.writestr("x.npy", npy("(2, 3)", bytes(6)))
    with pytest.raises(CertifyError, match="compressed as NumPy does not"):
        load_data(tmp_path / "a.npz")


def test_damaged_archives(tmp_path):
    """Flags, versions, sizes: every byte of the zip's own records, and of the array's header."""
    content = io.BytesIO()
    np.savez(content, x=np.arange(12).reshape(3, 4))
    content = content.getvalue()
    path = tmp_path / "a.npz"
    rng = random.Random(0)
    refused = 0
    for place in range(len(content)):
        for value in {0, 1, 255, rng.randrange(256)} - {content[place]}:
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            try:
                load_data(path)
            except CertifyError as error:
                assert "\n" not in str(error)
                refused += 1
    assert refused > len(content)


def test_names_of_members_are_data(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("\x1b[2J.npy", npy("(2, 3)", bytes(6)))
    with pytest.raises(CertifyError, match=r"holds \\x1b\[2J; it needs x"):
        load_data(tmp_path / "a.npz")


def test_a_pipe_is_read_whole(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)))
    os.mkfifo(tmp_path / "pipe")
    content = (tmp_path / "a.npz").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    assert len(load_data(tmp_path / "pipe")) == 2
    writer.join()
