import json

import pytest

from qrobust.certify import CertifyError, read_certificates, read_header
from qrobust.certify.run.journal import Journal

from ..run.test_certificate import CERTIFICATE


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "certificates.jsonl"
    with Journal(path, {"model_sha256": "of a model"}) as opened:
        opened.append(CERTIFICATE.to_json())
    return path


def test_header_and_certificates(journal):
    assert read_header(journal)["model_sha256"] == "of a model"
    assert list(read_certificates(journal)) == [CERTIFICATE]


def test_an_unfinished_line_is_left_out(journal):
    with open(journal, "a") as file:
        file.write('{"index":')
    assert list(read_certificates(journal)) == [CERTIFICATE]


def test_an_edited_line_is_named(journal):
    header, line = journal.read_text().splitlines()
    edited = {**json.loads(line), "radius_q16": 7}
    journal.write_text(f"{header}\n{json.dumps(edited)}\n")
    with pytest.raises(CertifyError, match="line 2: edited or damaged"):
        list(read_certificates(journal))


def test_a_line_that_is_no_certificate_is_named(tmp_path):
    with Journal(tmp_path / "j", {}) as opened:
        opened.append({"index": 3})
    with pytest.raises(CertifyError, match="j, line 2: the certificate lacks"):
        list(read_certificates(tmp_path / "j"))


def test_without_a_header_there_is_nothing_to_say(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(CertifyError, match="holds no finished line"):
        read_header(tmp_path / "empty")
