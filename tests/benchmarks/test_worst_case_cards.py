"""The worst case on cards is the recorded one, of the very files, and stays the recorded one."""

import json
import shutil
import sys

import pytest
import results
import worst_case_cards
from worst_case import shipped
from worst_case_cards import MODELS, SHOWN

from qrobust.training.publish.card import WORST_CASE
from qrobust.training.publish.summary import read_summary


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["benchmarks/worst_case_cards.py", *words])
    return worst_case_cards.main()


def test_every_shipped_network_shows_the_recorded_row(monkeypatch, capsys):
    rows = {row["network"]: row for row in results.read("worst_case", results.FOLDER).counts}
    assert sorted(rows) == sorted(shipped()) and len(rows) > 30
    for name, row in rows.items():
        summary = read_summary(MODELS / name / "summary.json")
        (table,) = [one for one in summary.tables if one.name == WORST_CASE]
        assert [cell for _, cell in table.rows] == [row[column] for column in SHOWN]
        assert f"epsilon {row['epsilon (LSB)']:g} LSB" in table.note
        assert {one.attack for one in summary.attacks} <= {*list(SHOWN)[1:]}, "weaker attacks"
        assert row["epsilon (LSB)"] not in {one.epsilon for one in summary.attacks}, "two numbers"
        assert "## The standard worst case" in (MODELS / name / "card.md").read_text()
    assert run(monkeypatch, "--check") == 0
    assert not capsys.readouterr().out


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A copy of one network, and results that are about it alone."""
    shutil.copytree(MODELS / "digits", tmp_path / "models" / "digits")
    monkeypatch.setattr(worst_case_cards, "MODELS", tmp_path / "models")
    monkeypatch.setattr(results, "PROJECT", tmp_path)
    found = results.read("worst_case", results.FOLDER)
    row = next(row for row in found.counts if row["network"] == "digits")
    found.counts[:] = [row]
    monkeypatch.setattr(results, "read", lambda *_: found)
    return tmp_path / "models" / "digits"


def test_a_card_that_says_something_else_is_noticed_and_mended(digits, monkeypatch, capsys):
    whole = {path.name: path.read_bytes() for path in digits.iterdir() if path.is_file()}
    value = json.loads((digits / "summary.json").read_text())
    table = next(one for one in value["tables"] if one["name"] == WORST_CASE)
    table["rows"][0][1]["count"] -= 1
    (digits / "summary.json").write_text(json.dumps(value))
    assert run(monkeypatch, "--check") == 1
    assert capsys.readouterr().out == "digits: differs\n"
    assert json.loads((digits / "summary.json").read_text()) == value
    assert run(monkeypatch) == 0
    assert {path.name: path.read_bytes() for path in digits.iterdir() if path.is_file()} == whole


def test_a_row_of_another_file_is_refused(digits, monkeypatch):
    value = json.loads((digits / "summary.json").read_text())
    value["file"]["sha256"] = "0" * 64
    (digits / "summary.json").write_text(json.dumps(value))
    with pytest.raises(SystemExit, match="another models/digits/model.tflite"):
        run(monkeypatch)
