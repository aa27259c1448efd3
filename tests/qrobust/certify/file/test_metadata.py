import io
import random
import zipfile

import pytest
from ai_edge_litert import schema_py_generated as schema

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.metadata import read_metadata, write_metadata
from tflite_export.standard_metadata import with_labels

from ..tiny_models import linear


@pytest.fixture(scope="module")
def file():
    return linear([[1, 2], [3, 4]], metadata={"other": b"kept", "empty": b""})


def test_reads_what_is_there(file):
    assert read_metadata(file, "other") == b"kept"
    assert read_metadata(file, "empty") == b""
    assert read_metadata(file, "absent") is None


def test_a_file_without_metadata():
    assert read_metadata(linear([[1], [2]]), "any") is None


def test_writes_and_keeps_everything_else(file):
    changed = write_metadata(file, "mine", b"first")
    assert read_metadata(changed, "mine") == b"first"
    assert read_metadata(changed, "other") == b"kept"
    before, after = (schema.ModelT.InitFromPackedBuf(f, 0) for f in (file, changed))
    assert len(after.buffers) == len(before.buffers) + 1
    assert [o.builtinCode for o in after.operatorCodes] == [
        o.builtinCode for o in before.operatorCodes
    ]
    assert after.buffers[1].data.tobytes() == before.buffers[1].data.tobytes()


def test_replaces_its_own_entry(file):
    once = write_metadata(file, "mine", b"first")
    twice = write_metadata(once, "mine", b"second")
    assert read_metadata(twice, "mine") == b"second"
    assert len(schema.ModelT.InitFromPackedBuf(twice, 0).metadata) == 3


@pytest.mark.parametrize("content", [b"", b"TFL3", b"not a model at all", b"\x10\0\0\0TFL2" * 9])
def test_foreign_files(content):
    with pytest.raises(CertifyError, match="not a .tflite file"):
        read_metadata(content, "any")


def test_truncated_at_every_byte(file):
    for size in range(len(file)):
        try:
            assert read_metadata(file[:size], "other") in (b"kept", None)
        except CertifyError as error:
            assert "\n" not in str(error)


def test_random_damage_never_crashes(file):
    rng = random.Random(0)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(file)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 255, rng.randrange(256)))
        try:
            read_metadata(bytes(damaged), "other")
        except CertifyError:
            refused += 1
    assert refused > 100


def test_a_huge_vector_is_refused_at_once(file):
    # A length of 4 billion must not be walked.
    for position in range(8, len(file) - 4, 4):
        damaged = bytearray(file)
        damaged[position : position + 4] = b"\xff\xff\xff\x7f"
        try:
            read_metadata(bytes(damaged), "other")
        except CertifyError as error:
            assert "damaged" in str(error)


def test_an_archive_behind_the_model_stays(file):
    behind = with_labels(file, ["a", "b"])
    written = write_metadata(behind, "note", b"1")
    assert read_metadata(written, "note") == b"1"
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert archive.read("labels.txt") == b"a\nb"
    assert write_metadata(written, "note", b"1") == written
    assert write_metadata(behind[:-1], "note", b"1") == write_metadata(file, "note", b"1")
