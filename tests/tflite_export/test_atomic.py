import os
import stat
import threading

import pytest
from faults import Fault, Storage

from tflite_export.atomic import replacing, write_bytes, write_text

OLD, NEW = b"old" * 1000, b"new" * 2000


def test_writes(tmp_path):
    assert write_bytes(tmp_path / "a.bin", NEW).read_bytes() == NEW
    assert write_text(str(tmp_path / "a.txt"), "µ\n").read_bytes() == "µ\n".encode()
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.txt"]


def outcomes(path, write, monkeypatch):
    """What is there after each call to the disk failed in turn; the last has no fault."""
    for failing in range(100):
        path.write_bytes(OLD)
        with monkeypatch.context() as patch:
            storage = Storage(patch, failing)
            try:
                write(path)
                failed = False
            except Fault:
                failed = True
        yield storage.calls[-1], failed, path.read_bytes(), os.listdir(path.parent)
        if not failed:
            return


def test_every_fault_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    seen = list(outcomes(path, lambda place: write_bytes(place, NEW), monkeypatch))
    *faults, last = seen
    assert last[1:3] == (False, NEW)
    assert {call for call, *_ in faults} == {
        "os.open",
        "os.chmod",
        "open",
        "write",
        "os.fsync",
        "os.replace",
    }
    for call, failed, content, names in faults:
        assert failed, call
        assert content in (OLD, NEW), call
        assert names == ["model.tflite"], call
    assert [content for _, _, content, _ in faults].count(NEW) == 2  # the folder's open and fsync


def test_the_check_bites(tmp_path, monkeypatch):
    """A plain write destroys the old file, and the same loop sees it."""
    path = tmp_path / "model.tflite"

    def plain(place):
        with open(place, "wb") as file:
            file.write(NEW)

    contents = [content for _, _, content, _ in outcomes(path, plain, monkeypatch)]
    assert any(content not in (OLD, NEW) for content in contents)


def test_a_block_that_raises_keeps_the_old_file(tmp_path):
    path = write_bytes(tmp_path / "a.png", OLD)
    with pytest.raises(KeyboardInterrupt):
        with replacing(path) as beside:
            beside.write_bytes(NEW)
            raise KeyboardInterrupt
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["a.png"]


def test_the_suffix_stays(tmp_path):
    with replacing(tmp_path / "model.keras") as beside:
        assert (beside.suffix, beside.parent) == (".keras", tmp_path)
        beside.write_bytes(NEW)


def test_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        path = write_bytes(tmp_path / "a", OLD)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        write_bytes(path, NEW)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(mask)


def test_a_link_stays_one(tmp_path):
    (tmp_path / "there").mkdir()
    target = write_bytes(tmp_path / "there" / "a", OLD)
    link = tmp_path / "link"
    link.symlink_to("there/a")
    write_bytes(link, NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


def test_a_pipe_gets_the_bytes(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_bytes(pipe, NEW)
    reader.join(10)
    assert got == [NEW]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_dev_null():
    write_bytes("/dev/null", NEW)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path, NEW)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        write_bytes(tmp_path / "missing" / "a", NEW)


def test_long_and_strange_names(tmp_path):
    for name in (b"n" * 255, b"\xff\xfe.bin", "µ\n".encode()):
        path = os.path.join(os.fsencode(tmp_path), name)
        write_bytes(os.fsdecode(path), NEW)
        with open(path, "rb") as file:
            assert file.read() == NEW
