"""Stages that a run is asked for: those, or one line that says why not."""

import pytest
from gpu.stages import STAGES, budgets, chosen


def test_all_or_those_that_are_named_in_their_order():
    assert chosen([]) == list(STAGES)
    assert [s.name for s in chosen(["large_w4a8", "large_float"])] == ["large_float", "large_w4a8"]


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="--only: no stage small_w4; there are large_float"):
        chosen(["small_float", "small_w4"])


def test_a_twin_needs_its_start_and_its_teacher():
    with pytest.raises(ValueError, match="--only: small_w4a4 needs large_float, small_float"):
        chosen(["small_w4a4"])
    with pytest.raises(ValueError, match="small_w4a4 needs large_float beside"):
        chosen(["small_w4a4", "small_float"])


def test_budgets():
    assert budgets(["small_float=20", "large_float=0.5"]) == {"small_float": 20, "large_float": 0.5}


@pytest.mark.parametrize("seconds", ["", "=", "=-1", "=nan", "=1=2"])
def test_seconds_that_are_none(seconds):
    with pytest.raises(ValueError, match=f"STAGE=SECONDS. Received: small_float{seconds}"):
        budgets([f"small_float{seconds}"])


def test_a_budget_of_no_stage():
    with pytest.raises(ValueError, match="--budget: no stage smal"):
        budgets(["smal=3"])
