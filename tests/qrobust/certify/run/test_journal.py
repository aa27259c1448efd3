import os
import resource
import signal

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.journal import Journal, first_object, read_lines

HEADER = {"model_sha256": "ab", "seed": 0}


def entry(index):
    return {"index": index, "votes": [index, 2], "seconds": index / 7}


def write(path, indices, header=HEADER):
    with Journal(path, header) as journal:
        for index in indices:
            if index not in journal.done:
                journal.append(entry(index))


def values(path):
    return [line.value for line in read_lines(path)]


def test_round_trip(tmp_path):
    write(tmp_path / "j", range(3))
    header, *lines = values(tmp_path / "j")
    assert header.items() >= {"format": "qrobust.certificates", **HEADER}.items()
    assert [line["index"] for line in lines] == [0, 1, 2]


def test_resumes_after_a_cut_at_every_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand of them take a while
    write(tmp_path / "whole", range(3))
    whole = (tmp_path / "whole").read_bytes()
    for size in range(len(whole)):
        path = tmp_path / "cut"
        path.write_bytes(whole[:size])
        write(path, range(3))
        assert path.read_bytes() == whole


def test_resume_keeps_what_is_done(tmp_path):
    write(tmp_path / "j", range(2))
    with Journal(tmp_path / "j", HEADER) as journal:
        assert journal.done == {0, 1}


def test_times_are_outside_the_chain(tmp_path):
    write(tmp_path / "j", range(3))
    text = (tmp_path / "j").read_text().replace('"seconds":0.0', '"seconds":9.9')
    (tmp_path / "j").write_text(text)
    assert len(values(tmp_path / "j")) == 4


@pytest.mark.parametrize("line", [0, 1, 2, 3])
def test_edits_are_found_and_named(tmp_path, line):
    path = tmp_path / "j"
    write(path, range(3))
    lines = path.read_text().splitlines(keepends=True)
    lines[line] = lines[line].replace('"seed":0', '"seed":1').replace(",2]", ",3]")
    path.write_text("".join(lines))
    with pytest.raises(CertifyError, match=f"line {line + 1}: edited or damaged"):
        write(path, range(4), HEADER if line else {**HEADER, "seed": 1})


def test_dropped_and_swapped_lines_are_found(tmp_path):
    path = tmp_path / "j"
    write(path, range(3))
    a, b, c, d = path.read_text().splitlines(keepends=True)
    for lines, at in (((a, c, d), 2), ((a, c, b, d), 2), ((b, c, d), 1)):
        path.write_text("".join(lines))
        with pytest.raises(CertifyError, match=f"line {at}|no journal"):
            write(path, range(4))


def test_damage_in_the_middle_is_named(tmp_path):
    path = tmp_path / "j"
    write(path, range(3))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\0\0\0\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(CertifyError, match="line 3: not JSON; the journal is damaged"):
        write(path, range(3))


def test_the_same_image_twice_is_refused(tmp_path):
    with Journal(tmp_path / "j", HEADER) as journal:
        journal.append(entry(0))
        journal.append(entry(0))
    with pytest.raises(CertifyError, match="line 3: image 0 again"):
        write(tmp_path / "j", range(3))


@pytest.mark.parametrize("content", [b"# notes\n", b"hello", b'{"a":1}\n', b"[1]\n", b"\x89PNG"])
def test_a_foreign_file_is_left_alone(tmp_path, content):
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(CertifyError, match="no journal of certificates"):
        write(tmp_path / "j", range(3))
    assert (tmp_path / "j").read_bytes() == content


def test_another_header_is_refused_and_named(tmp_path):
    write(tmp_path / "j", range(2))
    with pytest.raises(CertifyError, match="journal with seed=0, this run has 5"):
        write(tmp_path / "j", range(3), {**HEADER, "seed": 5})
    with pytest.raises(CertifyError, match="sigma=None, this run has '3'"):
        write(tmp_path / "j", range(3), {**HEADER, "sigma": "3"})


def test_another_format_version(tmp_path):
    (tmp_path / "j").write_text('{"format":"qrobust.certificates","version":7}\n')
    with pytest.raises(CertifyError, match="journal version 7, this program reads 1"):
        write(tmp_path / "j", [])


def test_one_writer_at_a_time(tmp_path):
    with (
        Journal(tmp_path / "j", HEADER),
        pytest.raises(CertifyError, match="being written by another process"),
    ):
        Journal(tmp_path / "j", HEADER)


def test_unwritable_places(tmp_path):
    with pytest.raises(CertifyError, match="cannot write the journal .*No such file"):
        Journal(tmp_path / "none" / "j", HEADER)
    with pytest.raises(CertifyError, match="cannot write the journal .*Is a directory"):
        Journal(tmp_path, HEADER)


def test_a_missing_journal_cannot_be_read(tmp_path):
    with pytest.raises(CertifyError, match="cannot read the journal .*No such file"):
        list(read_lines(tmp_path / "none"))


def test_a_full_disk_loses_nothing(tmp_path):
    # A limit on file size stands in for the disk; it strikes in the middle of a line.
    path = tmp_path / "j"
    write(path, range(2))
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, len(before) + 20))
        try:
            write(path, range(3))
        except CertifyError as error:
            os._exit(0 if "the certificates before are kept" in str(error) else 3)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_bytes() == before
    write(path, range(3))
    assert [line["index"] for line in values(path)[1:]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"kind": "proof"}\n{', {"kind": "proof"}),
        (b"[1]\n", {}),
        (b"[" * 200_000, {}),
        (b'{"kind": ' + b"9" * 5000 + b"}", {}),
        (b"\xff\n", {}),
        (b"", {}),
    ],
)
def test_first_object(tmp_path, line, found):
    (tmp_path / "j").write_bytes(line)
    assert first_object(tmp_path / "j") == found
    assert first_object(tmp_path / "none") == {}
    assert first_object(tmp_path) == {}


def test_first_object_takes_nothing_out_of_a_pipe():
    out, into = os.pipe()
    os.write(into, b'{"kind": "proof"}\n')
    assert first_object(f"/dev/fd/{out}") == {}
    assert os.read(out, 100) == b'{"kind": "proof"}\n'
    os.close(out)
    os.close(into)


def test_first_object_reads_no_more_than_a_line_may_have(tmp_path):
    with open(tmp_path / "j", "wb") as file:
        file.truncate(1 << 40)  # sparse
    assert first_object(tmp_path / "j") == {}
