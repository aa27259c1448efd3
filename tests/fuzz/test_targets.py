"""A short run of every target, and the planted faults; the long run is one command."""

import pytest

from tests.fuzz.plants import PLANTS
from tests.fuzz.registry import TARGETS
from tests.fuzz.run import fuzz

INPUTS = {"file": 40, "spec": 40, "c99": 20, "contract": 40}


@pytest.mark.ordinary(3)
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name):
    outcome = fuzz(name, INPUTS.get(name, 150), seed=1)
    assert outcome.findings == []
    assert outcome.inputs == INPUTS.get(name, 150)
    assert 2 * outcome.past >= outcome.inputs


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("plant", PLANTS)
def test_planted_faults_are_found(plant):
    _, target, kind = PLANTS[plant]
    outcome = fuzz(target, 300, seed=1, plant=plant, limit_s=3, most_findings=1)
    assert [found[0] for found in outcome.findings] == [kind]
