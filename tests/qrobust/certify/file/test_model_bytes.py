import pytest

from qrobust.certify import CertifyError
from qrobust.certify.file import model_bytes as module
from qrobust.certify.file.bundle import Bundle
from qrobust.certify.file.model_bytes import model_bytes


@pytest.mark.parametrize(
    "content", [b"\x1c\0\0\0TFL3and more", Bundle("draw", (b"a",), (1,)).to_bytes()]
)
def test_a_file_comes_back_whole(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    assert model_bytes(tmp_path / "m") == content


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\0\0\0TFL", b"PK\3\4 and more"])
def test_another_file_is_none(tmp_path, content):
    (tmp_path / "m\x1b").write_bytes(content)
    with pytest.raises(CertifyError, match=r"m\\x1b: not a \.tflite file"):
        model_bytes(tmp_path / "m\x1b")


def test_endless_files_are_not_read(tmp_path, monkeypatch):
    with pytest.raises(CertifyError, match="not a"):
        model_bytes("/dev/zero")
    with open(tmp_path / "m", "wb") as file:
        file.write(b"\x1c\0\0\0TFL3")
        file.truncate(1 << 40)  # sparse
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(CertifyError, match="at most 1,000 bytes"):
        model_bytes(tmp_path / "m")


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CertifyError, match="cannot read the model .*none: No such file"):
        model_bytes(tmp_path / "none")
    with pytest.raises(CertifyError, match="Is a directory"):
        model_bytes(tmp_path)
