import json
from pathlib import Path

from qrobust.planning.recorded import (
    core_names,
    core_runs,
    instructions,
    rates,
)

MODELS = Path(__file__).parents[3] / "models"
RESULTS = MODELS.parent / "docs" / "results"
DIGITS = json.loads((MODELS / "digits" / "summary.json").read_text())["file"]


def test_rates_are_the_recorded_ones():
    found = rates()[DIGITS["sha256"]]
    speeds = json.loads((RESULTS / "certificates_rate.json").read_text())["speeds"]
    row = next(row for row in speeds if row["network"] == "digits")
    assert f"{found.votes_per_s:,.0f}" == row["votes/s"]
    assert found.load is not None


def test_a_network_that_was_run_is_counted():
    runs = core_runs("cortex-m4", MODELS)
    here = instructions(DIGITS["sha256"], DIGITS["macs"], 64, runs)
    rows = json.loads((RESULTS / "microcontroller_digits.json").read_text())["counts"]
    row = next(row for row in rows if row["core"] == "cortex-m4")
    assert here.low == here.high == row["instr/vote"]
    assert here.counted and here.emulated


def test_another_one_is_estimated_between_two_ends():
    runs = core_runs("cortex-m4", MODELS)
    resnet = instructions("ab" * 32, 12_505_728, 3072, runs)
    assert not resnet.counted
    assert resnet.low < 18_008_440 < resnet.high  # the recorded ResNet-8's vote
    assert resnet.high < 1.5 * resnet.low


def test_no_records_are_no_numbers(tmp_path):
    assert rates(tmp_path) == {}
    assert core_names(tmp_path) == []
    assert core_runs("cortex-m4", MODELS, tmp_path) == []
    assert instructions(DIGITS["sha256"], 1000, 64, []) is None
    # Without the shipped files only the ResNet-8's own size is known.
    alone = core_runs("cortex-m4", None)
    assert [run.macs for run in alone if run.macs] == [12_505_728]
    assert core_names() == ["cortex-m3", "cortex-m33", "cortex-m4", "cortex-m55", "cortex-m7"]
