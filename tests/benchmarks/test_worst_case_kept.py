"""Rows of the worst case that are recorded stay, while they are of these very files and images."""

import json
from dataclasses import replace

import numpy as np
import pytest
import results
import worst_case

NAME = "digits"
ROW = {"network": NAME, "epsilon (LSB)": 40.0, "right": results.share(488, 500)}
SPEED = {"network": NAME, "our CPU s": 1}
TASK = worst_case.Task(np.arange(500, dtype=np.uint16), 40.0, worst_case.RESTARTS)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    files = [worst_case.MODELS / NAME / part for part in worst_case.PARTS]
    results.record(
        "worst_case",
        counts=[ROW],
        speeds=[SPEED],
        models=files,
        data={worst_case.named(NAME, len(TASK.x)): TASK.x},
        folder=tmp_path / "results",
    )
    return tmp_path


def kept(folder, name=NAME, **other):
    measured = {"network": "measured", "epsilon (LSB)": other.get("epsilon", TASK.epsilon)}
    return worst_case.kept(folder, name, replace(TASK, **other), lambda: (measured, {}))


def test_a_recorded_row_is_not_measured_again_and_says_where_it_comes_from(folder):
    origin = results.read("worst_case", folder / "results").origin(NAME)
    assert origin and kept(folder / "keep") == (ROW, SPEED, origin)
    (folder / "results" / "worst_case.json").unlink()
    assert kept(folder / "keep") == (ROW, SPEED, origin)
    assert list((folder / "keep").iterdir())
    # Without a folder everything is measured; what is measured now comes from nowhere else.
    assert kept(None)[0]["network"] == "measured" and kept(None)[2] == ""


@pytest.mark.parametrize(
    "other",
    [
        {"x": TASK.x[:100]},
        {"x": TASK.x[::-1]},
        {"epsilon": 8.0},
        {"restarts": 5},
        {"name": "digits_boundary"},
    ],
)
def test_other_tasks_and_other_networks_are_measured(folder, other):
    assert kept(folder / "keep", **other)[0]["network"] == "measured"


@pytest.mark.parametrize("other", [{"epsilon": 8.0}, {"restarts": 5}])
def test_what_was_kept_of_another_task_is_not_taken(folder, other):
    assert kept(folder / "keep")[:2] == (ROW, SPEED)
    assert kept(folder / "keep", **other)[0]["network"] == "measured"


@pytest.mark.parametrize(
    "old", [{"stale": "another attack"}, {"command": "python x --restarts 5"}, {"speeds": []}]
)
def test_rows_that_are_out_of_date_are_measured_again(folder, old):
    path = folder / "results" / "worst_case.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | old))
    assert kept(folder / "keep")[0]["network"] == "measured"


def test_a_row_of_another_file_is_measured_again(folder):
    path = folder / "results" / "worst_case.json"
    digest = results.file_sha256(worst_case.MODELS / NAME / "model.keras")
    path.write_text(path.read_text().replace(digest, "0" * 64))
    assert kept(folder / "keep")[0]["network"] == "measured"
