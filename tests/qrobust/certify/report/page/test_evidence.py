import json
from pathlib import Path

import pytest

from qrobust.certify import CertifyError
from qrobust.certify.report.page.evidence import (
    is_proofs,
    read_attack,
    read_corruption,
    read_model,
    read_proofs,
)
from qrobust.certify.run.journal import chain

MODELS = Path(__file__).parents[5] / "models"
ATTACK = {
    "model": "m", "sha256": "a", "images": 4, "clean_accuracy": 1.0, "worst_case_accuracy": 0.5,
    "epsilon": 8.0, "norm": "linf", "attacked_certificates": None, "broken_certificates": [],
    "attacks": [{"name": "PGD", "bounded": True, "accuracy_within_budget": 0.5,
                 "mean_queries": 3.0},
                {"name": "C&W", "bounded": False, "accuracy_within_budget": 0.5,
                 "mean_queries": 3.0}],
    "masking": [{"name": "q", "masked": True, "meaning": "bad", "numbers": {}}],
}  # fmt: skip
CORRUPT = {
    "sha256": "a", "images": 4, "clean": 3, "mean_accuracy": 0.5,
    "corrupted": [{"kind": "fog", "strength": s, "right": s, "of": 4} for s in (1, 2)],
}  # fmt: skip


def written(tmp_path, value):
    path = tmp_path / "found.json"
    path.write_text(json.dumps(value))
    return path


def test_what_attack_wrote(tmp_path):
    found = read_attack(written(tmp_path, ATTACK))
    assert found.attacks == (("PGD", 0.5, 3.0), ("C&W", None, 3.0))
    assert (found.checks, found.broken) == ((("q", True, "bad"),), 0)


def test_what_corrupt_printed(tmp_path):
    assert read_corruption(written(tmp_path, CORRUPT)).kinds == {"fog": [(1, 4), (2, 4)]}


@pytest.mark.parametrize("path", sorted(MODELS.rglob("summary.json")), ids=lambda p: p.parent.name)
def test_every_shipped_summary_is_read(path):
    value, found = json.loads(path.read_text()), read_model(path)
    assert found.clean == (value["clean"]["count"], value["clean"]["of"])
    assert found.parity == value.get("parity", {})
    assert found.sha256 == value.get("model_sha256")


def test_an_empty_count_and_a_row_that_is_none_are_refused(tmp_path):
    with pytest.raises(CertifyError, match="no corruption in it"):
        read_corruption(written(tmp_path, {**CORRUPT, "corrupted": []}))
    value = json.loads((MODELS / "digits" / "summary.json").read_text())
    value["tables"] = [{"title": "t", "note": "", "columns": ["a"], "rows": [3]}]
    with pytest.raises(CertifyError, match="'row' is no list"):
        read_model(written(tmp_path, value))


@pytest.mark.parametrize("read", [read_attack, read_corruption, read_model])
@pytest.mark.parametrize("value", [{}, [], {"attacks": 3}, {"corrupted": [{"kind": 1}]}])
def test_another_file_is_refused_by_name(tmp_path, read, value):
    with pytest.raises(CertifyError, match="found.json"):
        read(written(tmp_path, value))


def test_a_true_is_no_number(tmp_path):
    with pytest.raises(CertifyError, match="'images' is no int"):
        read_attack(written(tmp_path, {**ATTACK, "images": True}))


def journal(tmp_path, header, *lines):
    path, before = tmp_path / "j.jsonl", ""
    with open(path, "w") as file:
        for value in ({"format": "qrobust.certificates", "version": 2, **header}, *lines):
            before = chain(before, value)
            file.write(json.dumps({**value, "chain": before}, separators=(",", ":")) + "\n")
    return path


HEADER = {
    "kind": "proof", "model_sha256": "a", "data_sha256": "b", "region": "linf:1", "claim": "c",
    "theorem": "t", "about": "the file's integer function",
}  # fmt: skip
LINE = {"index": 0, "status": "proven", "predicted": 1, "y": 1, "inferences": 1, "boxes": 2}


def test_a_journal_of_proofs(tmp_path):
    path = journal(tmp_path, HEADER, LINE, {**LINE, "index": 1, "y": 0}, {"closed": 2})
    found = read_proofs("p", path)
    assert is_proofs(path)
    assert (len(found.lines), found.count("proven"), found.certain) == (2, 2, 1)
    unknown = read_proofs("p", journal(tmp_path, HEADER, {**LINE, "y": None}))
    assert unknown.certain is None
    with pytest.raises(CertifyError, match="line 2: 'status' is no str"):
        read_proofs("p", journal(tmp_path, HEADER, {"index": 0}))
