"""Families that are recorded stay, while they are of this very file and these very images."""

import argparse
import json
import shutil
import sys

import families
import pytest
import results
from results import share

CASE = ("digits", "light:16")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    for part in ("", "_pictures", "_sounds"):
        shutil.copy(results.PROJECT / f"docs/results/families{part}.json", tmp_path)
    return tmp_path


def images(count=300, shift=0):
    test = families.datasets.digits().test
    return families.make_data(test.x[shift : count + shift], test.y[shift : count + shift])


def test_what_is_recorded_is_of_the_shipped_file_and_says_where_it_is_from():
    row, origin = families.recorded("families").row(*CASE, images())
    assert row["certain"] == share(291, 300) and origin.startswith("commit ")


@pytest.mark.parametrize("other", [images(200), images(300, shift=1)])
def test_other_images_are_proven_anew(other):
    assert families.recorded("families").row(*CASE, other) is None


@pytest.mark.parametrize("fault", ["models", "data", "row", "stale"])
def test_another_file_other_data_and_stale_rows_are_proven_anew(folder, fault):
    path = folder / "families.json"
    there = json.loads(path.read_text())
    row = next(r for r in there["counts"] if (r["network"], r["family"]) == CASE)
    if fault == "stale":
        there["stale"] = "the digits were drawn again"
    elif fault == "row":
        row["stale"] = "other tables of contrast"
    else:
        there[fault] = dict.fromkeys(there[fault], "0" * 64)
    path.write_text(json.dumps(there))
    before = families.recorded("families")
    assert before is None or before.row(*CASE, images()) is None


def test_a_run_proves_what_is_missing_and_keeps_the_rest(folder, monkeypatch):
    small = {
        "digits": ("digits", ("light:16", "light:32")),
        "digits_proof": ("digits", ("light:16",)),
    }
    monkeypatch.setattr(families, "NETWORKS", small)
    monkeypatch.setattr(families, "from_card", lambda *_: None)
    path = folder / "families.json"
    there = json.loads(path.read_text())
    there["counts"] = [row for row in there["counts"] if (row["network"], row["family"]) != CASE]
    path.write_text(json.dumps(there))
    monkeypatch.setattr(sys, "argv", ["benchmarks/families.py", "--record", "families"])
    assert families.main() == 0
    found = results.read("families", folder)
    assert [(row["network"], row["family"], row["certain"]["count"]) for row in found.counts] == [
        ("digits", "light:16", 291),
        ("digits", "light:32", 289),
        ("digits_proof", "light:16", 291),
    ]
    assert sorted(found.earlier) == ["digits light:32", "digits_proof light:16"]
    side = results.read("families_pictures", folder)
    assert side.earlier.keys() == {"digits light:32", "digits_proof"}
    assert side.counts[0]["light:16"] == share(291, 300) and side.counts[0]["shift:1"] is None


def test_without_a_name_nothing_is_kept_or_written(folder):
    assert families.recorded(None) is None and families.recorded("other") is None
    before = sorted(folder.iterdir())
    args = argparse.Namespace(images=300, data=None, record=None)
    families.write(args, [(CASE, {"network": "digits", "clean": 1, "certain": 1}, "")])
    assert sorted(folder.iterdir()) == before
