"""summary.json: what it promises, and that it is read back whole."""

import json
from dataclasses import replace

import pytest
from scipy import stats
from summaries import SUMMARY

from qrobust.training.publish.summary import (
    FORMAT,
    ModelSummary,
    Proportion,
    read_summary,
    write_summary,
)


def test_a_written_summary_is_read_back_whole(tmp_path):
    whole = replace(SUMMARY, baseline=replace(SUMMARY, name="undefended"))
    for summary in (SUMMARY, whole, replace(SUMMARY, file=None, compared=None, certified=None)):
        path = write_summary(summary, tmp_path / "summary.json")
        assert read_summary(path) == summary
        assert ModelSummary.from_json(summary.to_json()).to_json() == summary.to_json()


def test_the_keys_that_readers_rely_on():
    """Those of the quickstart in the README and in .ci/run."""
    undefended = replace(SUMMARY, clean=Proportion(470, 500))
    value = replace(SUMMARY, baseline=undefended).to_json()
    assert value["clean_accuracy"] == 0.976
    assert value["certified_accuracy"] == {"0": 0.97, "32": 0.95}
    assert value["baseline_certified_accuracy"] == value["certified_accuracy"]
    assert value["baseline_clean_accuracy"] == 0.94
    assert value["parity"] == {"Keras predict": 0, "LiteRT XNNPACK": 0}
    assert (value["inputs_compared"], value["votes_per_second"], value["seconds"]) == (500, 9, 1.5)
    assert (value["format"], value["version"]) == (FORMAT, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "version 1. Received: qrobust.summary, 2"),
        ({"format": "other"}, "Received: other"),
        ({"clean": None}, "damaged"),
        ({"data": {"colour": 3}}, "damaged"),
    ],
)
def test_another_version_or_a_damaged_one_is_refused(change, says):
    value = {**SUMMARY.to_json(), **change}
    if change == {"clean": None}:
        del value["clean"]
    with pytest.raises(ValueError, match=says):
        ModelSummary.from_json(value)


def test_files_that_are_no_summary_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.json"):
        read_summary(tmp_path / "nowhere.json")
    path = tmp_path / "other.json"
    for text, says in (("[", "no JSON"), (json.dumps([1]), "no summary")):
        path.write_text(text)
        with pytest.raises(ValueError, match=says):
            read_summary(path)


@pytest.mark.parametrize(("count", "of"), [(0, 7), (7, 7), (291, 300), (1, 1202)])
def test_intervals_against_scipy(count, of):
    low, high = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
    assert Proportion(count, of).interval == pytest.approx((low, high), rel=1e-9, abs=1e-12)
