"""Journals of version 1, written before keys, plans and closing lines: they still audit."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from qrobust.certify import CertifyError, Verdict, Witness, audit, check_offline, read_certificates
from qrobust.certify.run.journal import Journal

from .journals import rewritten, values_of

BETA = Fraction(1, 100)

JOURNALS = sorted((Path(__file__).parent / "version1").glob("*.jsonl"))


@pytest.mark.parametrize("journal", JOURNALS, ids=lambda path: path.stem)
def test_they_audit(journal, classifier, data):
    findings = list(audit(journal, classifier, data))
    assert [f.reason for f in findings] == [""] * 3
    verdict = Verdict(check_offline(journal), None, Witness(), BETA).to_json()
    assert (verdict["key"], verdict["planned"]) == ("chosen", None)
    assert len(list(read_certificates(journal))) == 3


@pytest.mark.ordinary(8)
@pytest.mark.parametrize("journal", JOURNALS, ids=lambda path: path.stem)
@pytest.mark.parametrize("change", [{"radius_q16": 10**8}, {"votes": [0, 200, 0]}, {"seed": 8}])
def test_forgeries_are_found(journal, classifier, data, tmp_path, change):
    values = values_of(journal)
    line = max(values[1:], key=lambda value: value["radius_q16"])
    line.update(change)
    forged = rewritten(values, tmp_path / "j")
    assert any(f.reason for f in audit(forged, classifier, data))


def test_they_are_not_gone_on_with(tmp_path):
    path = tmp_path / "j"
    path.write_bytes(JOURNALS[0].read_bytes())
    with pytest.raises(CertifyError, match="journal of version 1, which can be audited"):
        Journal(path, {"plan": {}})
    assert json.loads(path.read_text().splitlines()[0])["version"] == 1
