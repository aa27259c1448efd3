"""The one road from array files into memory: what it bounds, and who goes along it."""

import io
import os
import resource
import subprocess
import sys
import threading
import warnings
import zipfile

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.inputs import load_inputs
from qrobust.certify.run import array_files
from qrobust.certify.run.array_files import names_in, read_npy, read_npz
from qrobust.certify.run.data import load_data
from qrobust.commands import verify
from qrobust.datasets import mnist, own_data
from qrobust.verify.corners import load_corners, load_reach

from .test_data import npy

#: Headers that cannot be true, or of what is no number.
LIES = [
    npy("(64000000000000, 1)"),
    npy("(2, 3)", bytes(5)),
    npy("(2, 3)", bytes(7)),
    npy("(-2, -3)", bytes(6)),
    npy("(1 << 60, 5)"),
    npy("(1000000000000, 1)", b"", "|V0"),
    npy("(2, 3)", bytes(48), "O"),
    npy("(2,)", bytes(4), [("a", "<i2")]),
    npy("(" * 3000),
    b"\x93NUMPY\x09\x00",
    b"\x93NUMPY",
    b"",
]


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return path


def own_parts(folder, content):
    good = npy("(2, 1)", bytes(2))
    names = {"x_train": content, "y_train": good, "x_test": good, "y_test": good}
    own_data(archive(folder / "own.npz", **names))


def mnist_archive(folder, content):
    names = ("x_train", "y_train", "x_test", "y_test")
    archive(folder / "mnist.npz", **dict.fromkeys(names, content))
    mnist(folder)


def plain(folder, content):
    path = folder / "a.npy"
    path.write_bytes(content)
    return path


ROADS = {
    "data": lambda folder, content: load_data(archive(folder / "d.npz", x=content)),
    "inputs": lambda folder, content: load_inputs(plain(folder, content), lambda: None),
    "corners": lambda folder, content: load_corners(*[plain(folder, content)] * 2),
    "reach": lambda folder, content: load_reach(plain(folder, content)),
    "mask": lambda folder, content: verify._mask(plain(folder, content), b""),
    "own data": own_parts,
    "mnist": mnist_archive,
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("content", LIES, ids=range(len(LIES)))
def test_headers_that_lie_cost_nothing_on_any_road(tmp_path, road, content):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError) as refused:
        ROADS[road](tmp_path, content)
    assert "\n" not in str(refused.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<f8", ">f4", "?"])
def test_arrays_come_back_as_numpy_reads_them(tmp_path, dtype, order):
    x = np.random.default_rng(0).integers(0, 2, (5, 3, 2)).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", x)
    np.savez_compressed(tmp_path / "a.npz", x=x)
    expected = np.load(tmp_path / "a.npy")
    for found in (read_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz", ["x"])[0]["x"]):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_arrays_without_rows(tmp_path):
    np.save(tmp_path / "a.npy", np.int64(7))
    np.save(tmp_path / "b.npy", np.zeros((0, 4)))
    assert read_npy(tmp_path / "a.npy") == 7
    assert read_npy(tmp_path / "b.npy").shape == (0, 4)


@pytest.mark.parametrize("labels", [None, np.arange(40, dtype=np.uint8)], ids=["no y", "y"])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["u1", ">i2", "<f8"])
def test_first_rows_are_of_the_same_data(tmp_path, monkeypatch, dtype, order, labels):
    monkeypatch.setattr(array_files, "_BLOCK", 100)
    x = np.random.default_rng(0).integers(0, 9, (40, 3, 7)).astype(dtype, order=order)
    np.savez_compressed(tmp_path / "a.npz", x=x, **({} if labels is None else {"y": labels}))
    whole = load_data(tmp_path / "a.npz")
    for rows in (1, 4, 40, 1000):
        few = load_data(tmp_path / "a.npz", rows=rows)
        assert (len(few), few.sha256) == (len(whole), whole.sha256)
        np.testing.assert_array_equal(few.x, x[:rows])
        assert few.label(39) == whole.label(39)


def test_first_rows_cost_their_own_memory(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((300, 1000, 1000), np.uint8))
    program = (
        "import resource, sys; from qrobust.certify.run.data import load_data\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = most(); load_data(sys.argv[1], rows=2); print(most() - before)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.npz")]
    grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(grown) < 30_000  # KiB, of 300 MB


def test_a_damaged_end_is_found_though_only_the_first_rows_are_kept(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(4000).reshape(40, 100))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[-5000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(CertifyError, match="CRC"):
        load_data(tmp_path / "a.npz", rows=1)


def zeros(size):
    """A DEFLATE archive of one array of so many bytes, made without them in memory."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        with made.open("x.npy", "w", force_zip64=True) as member:
            member.write(npy(f"({size >> 20}, {1 << 20})"))
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    return held.getvalue()


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("rows", [None, 1])
def test_a_small_archive_of_a_gigabyte_is_refused(tmp_path, rows):
    (tmp_path / "a.npz").write_bytes(zeros(1 << 30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CertifyError, match=r"unpacks to 1,073,.*read are 536,870,912, or 8 times"):
        load_data(tmp_path / "a.npz", rows=rows)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_the_bounds_stand_where_they_are_said_to(tmp_path, monkeypatch):
    monkeypatch.setattr(array_files, "MOST_BYTES", 1 << 21)
    (tmp_path / "a.npz").write_bytes(zeros(1 << 20))
    assert read_npz(tmp_path / "a.npz", ["x"])[1] == 1
    (tmp_path / "a.npz").write_bytes(zeros(2 << 20))  # and a header
    with pytest.raises(CertifyError, match="unpacks to"):
        read_npz(tmp_path / "a.npz", ["x"])
    np.savez(tmp_path / "b.npz", x=np.zeros((4, 1 << 20), np.uint8))  # as large as what it holds
    assert read_npz(tmp_path / "b.npz", ["x"])[1] == 4


def test_a_pipe_is_read_up_to_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(array_files, "MOST_BYTES", 1000)
    os.mkfifo(tmp_path / "pipe.npy")
    np.save(tmp_path / "a.npy", np.arange(100, dtype=np.uint8))
    for content, refused in (((tmp_path / "a.npy").read_bytes(), False), (bytes(1001), True)):
        writer = threading.Thread(target=(tmp_path / "pipe.npy").write_bytes, args=(content,))
        writer.start()
        if refused:
            with pytest.raises(CertifyError, match="at most 1,000 bytes are read from a pipe"):
                read_npy(tmp_path / "pipe.npy")
        else:
            assert len(read_npy(tmp_path / "pipe.npy")) == 100
        writer.join()


def test_too_little_memory_is_one_line_that_says_what_to_do(tmp_path):
    """A file that is what it says and does not fit, as RLIMIT_AS has it."""
    with open(tmp_path / "big.npy", "wb") as file:
        file.write(npy(f"({1 << 12}, {1 << 20})"))
        file.truncate(file.tell() + (1 << 32))  # sparse
    with zipfile.ZipFile(tmp_path / "m.tflite", "w"):
        pass
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from qrobust.cli import main\nsys.exit(main())"
    )
    model = os.path.join(os.path.dirname(array_files.__file__), "../../../models/digits")
    arguments = ["certify", f"{model}/model.tflite", tmp_path / "big.npy", "--out", "c.jsonl"]
    found = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    (line,) = found.stderr.splitlines()
    assert found.returncode == 2
    assert line.startswith(f"error: cannot read the data {tmp_path}/big.npy: it needs more memory")
    assert line.endswith("give fewer inputs")


def test_names(tmp_path):
    np.savez(tmp_path / "a.npz", x=[1], other=[2])
    assert names_in(tmp_path / "a.npz") == {"x", "other"}
    with pytest.raises(CertifyError, match="No such file"):
        names_in(tmp_path / "none.npz")
    with pytest.raises(CertifyError, match=r"no readable \.npz"):
        names_in(plain(tmp_path, b"nothing"))


class Asked(io.BytesIO):
    """Remembers the most that anybody asked for at once."""

    most = 0

    def read(self, size=-1):
        self.most = max(self.most, size)
        return super().read(size)


def test_a_header_is_not_read_before_its_length_is_known_to_be_that_of_one(tmp_path):
    claims = b"\x93NUMPY\x02\x00" + (400 << 20).to_bytes(4, "little")
    stream = Asked(claims + bytes(1000))
    with pytest.raises(ValueError, match="at most 10000 bytes"):
        array_files._header(stream, 400 << 20)
    assert stream.most < 100
    with pytest.raises(CertifyError, match="at most 10000 bytes"):
        read_npy(plain(tmp_path, claims + bytes(1000)))


@pytest.mark.parametrize(
    "shape", ["(2, 1) if 1is 1 else 2", "(2L, 1L)", "(2, 1), '\\\x1b': 0", "-" * 5000 + "1"]
)
def test_pythons_parser_says_nothing_of_a_header(tmp_path, shape):
    path = plain(tmp_path, npy(shape, bytes(2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read_npy(path)
        except CertifyError as error:
            assert "no readable .npy" in str(error)  # and not: too little memory


@pytest.mark.parametrize("names", [("x.npy", "x.npy"), ("x.npy", "x"), ("x", "y", "y.npy")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_no_name(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as made:
        for number, name in enumerate(names):
            made.writestr(name, npy("(2, 1)", bytes([number] * 2)))
    for read in (load_data, names_in):
        with pytest.raises(CertifyError, match="two arrays called"):
            read(tmp_path / "d.npz")


@pytest.mark.skipif(np.longdouble(0).itemsize == 8, reason="no wider than a double here")
def test_what_differs_from_machine_to_machine_is_no_number(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 3), np.longdouble))
    for rows in (None, 1):
        with pytest.raises(CertifyError, match="another"):
            load_data(tmp_path / "d.npz", rows=rows)


@pytest.mark.parametrize(("method", "most"), [(0, 1000), (8, 1000 * 1032 + 64)])
def test_bytes_of_an_archive_unpack_to_no_more_than_they_can(method, most):
    member = zipfile.ZipInfo("x.npy")
    member.compress_type, member.compress_size, member.file_size = method, 1000, most
    array_files._check_sizes([member], 2000, "d.npz")
    member.file_size += 1
    with pytest.raises(ValueError, match=f"1000 bytes do not unpack to {most + 1}"):
        array_files._check_sizes([member], 2000, "d.npz")
