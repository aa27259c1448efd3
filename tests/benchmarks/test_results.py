"""Results carry their provenance, and say when what they measured has changed."""

import json
from dataclasses import replace

import numpy as np
import pytest
import render
import results

MODEL = results.PROJECT / "models" / "digits" / "model.tflite"


@pytest.fixture
def folder(tmp_path):
    results.record(
        "small",
        counts=[{"what": "right", "left": results.share(3, 4), "differing": 1234}],
        speeds=[{"what": "steps", "per second": 12345.6, "ratio": 0.98765}],
        models=[MODEL],
        data={"noise": np.arange(3)},
        seed=5,
        text="printed\n",
        folder=tmp_path,
    )
    return tmp_path


def test_rows_come_with_all_it_takes_to_print_them_again(folder):
    found = results.read("small", folder)
    assert found.command.startswith("python benchmarks/")
    assert found.models == {"models/digits/model.tflite": results.file_sha256(MODEL)}
    assert (found.seed, len(found.data["noise"]), len(found.load)) == (5, 64, 3)
    assert found.versions["Python"] and found.cpu and found.date
    # A commit is named where there is one: an unpacked archive has none.
    assert bool(found.commit) == (results.PROJECT / ".git").exists()
    assert json.loads((folder / "small.json").read_text())["version"] == 1


def test_nothing_is_written_without_a_name(tmp_path):
    assert results.record(None, counts=[{"a": 1}], folder=tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_paths_of_this_machine_are_no_part_of_a_command(monkeypatch):
    monkeypatch.setattr(
        "sys.argv", ["/somewhere/b.py", str(MODEL), f"a={MODEL}", "/other/data", "--images", "3"]
    )
    assert results._command() == (
        "python benchmarks/b.py models/digits/model.tflite a=models/digits/model.tflite data "
        "--images 3"
    )


def test_another_version_is_refused(folder):
    value = json.loads((folder / "small.json").read_text())
    (folder / "other.json").write_text(json.dumps({**value, "version": 2}))
    with pytest.raises(ValueError, match="other.json: these are no results of version 1"):
        results.read("other", folder)
    with pytest.raises(ValueError, match="no results 'nothing'"):
        results.read("nothing", folder)


def test_a_model_that_is_not_the_shipped_one_any_more_is_noticed(folder, tmp_path):
    assert render.stale_results(folder) == []
    found = results.read("small", folder)
    results.write(replace(found, models={"models/digits/model.tflite": "00"}), folder)
    (line,) = render.stale_results(folder)
    assert "small.json was measured on another models/digits/model.tflite" in line
    results.write(replace(found, models={"models/digits/model.tflite": "00"}, stale="x"), folder)
    assert render.stale_results(folder) == []
    (folder / "foreign.json").write_text('{"rows": []}')
    assert results.names(folder) == ["small"]
    results.write(replace(found, models={"models/gone": "00"}), folder)
    assert len(render.stale_results(folder)) == 1
