"""Shipped journals side by side: of the same images, noise and norm, or refused."""

import shutil
import sys
from types import SimpleNamespace

import journals
import pytest
import results

from qrobust.certify.report.read import read_summary

DIGITS = results.PROJECT / "models" / "digits" / "certificates.jsonl"


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder of models: journals of the digits under names of their own."""
    monkeypatch.setattr(results, "PROJECT", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    for name in ("one", "other"):
        (tmp_path / "models" / name).mkdir(parents=True)
        shutil.copy(DIGITS, tmp_path / "models" / name)
    return tmp_path / "models"


def run(monkeypatch, *names):
    monkeypatch.setattr(sys, "argv", ["benchmarks/journals.py", *names, "--record", "beside"])
    assert journals.main() == 0
    return results.read("beside", results.FOLDER).counts


def test_shares_are_those_of_the_journal_and_points_those_of_pairs(models, monkeypatch):
    first, second = run(monkeypatch, "one", "other")
    summary = read_summary(DIGITS)
    for k in (1, 2, 4, 7):
        column = f"certified at {k / 8:g}"
        share = summary.share(255 * k / 8)
        assert first[column] == {"count": share.certified, "of": 300} == second[column]
        assert first[f"{column}: points"] == ""
        assert second[f"{column}: points"].startswith("+0.0 (")


def test_no_journal_and_two_at_one_radius_are_refused(models, monkeypatch):
    shutil.copy(DIGITS, models / "other" / "certificates_again.jsonl")
    with pytest.raises(SystemExit, match="models/other: .* two at one"):
        run(monkeypatch, "one", "other")
    for path in (models / "other").iterdir():
        path.unlink()
    with pytest.raises(SystemExit, match="models/other ships no journal"):
        run(monkeypatch, "one", "other")


def line(**change):
    values = {"sigma": "64", "norm": "l2", "unit": None, "span": 255, "index": 0}
    values |= {"settings": {"alpha": "0.001"}, "input_sha256": "ab"}
    return SimpleNamespace(**values | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": "32"}, "differ in sigma: 32, 64"),
        ({"norm": "l1"}, "differ in norm: l1, l2"),
        ({"unit": "feature step"}, "differ in unit"),
        ({"settings": {"alpha": "0.01"}}, "differ in alpha"),
        ({"input_sha256": "cd"}, "image 0 is not the same one"),
    ],
)
def test_what_no_difference_is_about_is_refused(change, message):
    runs = {name: SimpleNamespace(certificates=[one]) for name, one in
            {"a": line(), "b": line(**change)}.items()}  # fmt: skip
    with pytest.raises(SystemExit, match=message):
        journals.check_alike(runs)
