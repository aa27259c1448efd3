from fractions import Fraction

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.noise_table import noise_table
from qrobust.certify.arithmetic.radius import ABSTAIN, certified_radius, charged_level
from qrobust.certify.methods.sequential import sequential_test
from qrobust.certify.methods.tables import (
    RadiusTable,
    SequentialTable,
    radius_table,
    sequential_table,
)
from qrobust.certify.smoothings.input_grid import InputGrid
from qrobust.certify.smoothings.smoothing import GaussianSmoothing

NOISE = noise_table("rounded_gaussian", Fraction("16.5"), 255)
SMOOTHING = GaussianSmoothing(NOISE, InputGrid("int8", 1.0, -128), 64)
ALPHA = Fraction(1, 1000)


@pytest.fixture(scope="module")
def table():
    return radius_table(300, ALPHA, SMOOTHING)


def test_every_entry_equals_the_exact_radius(table):
    level = charged_level(ALPHA, 300, 64 * NOISE.variation)
    expected = [certified_radius(votes, 300, level, NOISE.sigma) for votes in range(301)]
    assert [table.radius_q16(votes) for votes in range(301)] == expected


def test_abstains_below_the_least(table):
    assert table.radius_q16(table.least_votes - 1) == ABSTAIN
    assert table.radius_q16(table.least_votes) >= 0


def test_json_round_trip(table):
    assert RadiusTable.from_json(table.to_json()) == table


@pytest.mark.parametrize(
    "change",
    [
        {"radii_q16": "???"},
        {"radii_q16": "AAAA"},
        {"radii_q16": 7},
        {"n": 301},
        {"n": "300"},
        {"n": True},
        {"least_votes": 0},
        {"alpha": "x"},
    ],
)
def test_damaged_tables(table, change):
    with pytest.raises(CertifyError):
        RadiusTable.from_json({**table.to_json(), **change})


def test_falling_radii_are_refused():
    with pytest.raises(CertifyError, match="must rise"):
        RadiusTable(2, ALPHA, 1, (5, 4))


def test_votes_out_of_range(table):
    with pytest.raises(CertifyError, match="301 votes of 300"):
        table.radius_q16(301)


def test_too_few_samples():
    with pytest.raises(CertifyError, match="use n >= 10"):
        radius_table(9, ALPHA, SMOOTHING)


def test_sequential_tables_are_those_of_the_certifier():
    table = sequential_table(Fraction("8.25"), 500, ALPHA, SMOOTHING)
    level = charged_level(ALPHA, 500, SMOOTHING.variation)
    assert table.test == sequential_test(SMOOTHING.probability(Fraction("8.25")), level, 500)
    assert SequentialTable.from_json(table.to_json()) == table


@pytest.mark.parametrize(
    "change",
    [
        {"radius": None},
        {"alpha": "x"},
        {"p0_q48": "x"},
        {"level": "1/0"},
        {"checkpoints": 3},
        {"checkpoints": []},
        {"checkpoints": [[3, 2, 1], [3, 2, 1]]},
        {"checkpoints": [[3, 9, 1]]},
        {"checkpoints": [[3, 2]]},
    ],
    ids=str,
)
def test_damaged_sequential_tables(change):
    table = sequential_table(Fraction(4), 100, ALPHA, SMOOTHING)
    with pytest.raises(CertifyError):
        SequentialTable.from_json({**table.to_json(), **change})
