"""The table of verifiers notices methods that contradict each other, and counts what they say."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import verifiers

from qrobust.verify import PROVEN, REFUTED, UNKNOWN, LinfBall

HONEST = {
    "enumeration": PROVEN,
    "intervals": UNKNOWN,
    "attack": UNKNOWN,
    "linear": UNKNOWN,
    "branching": PROVEN,
    "MILP": PROVEN,
}


@pytest.fixture
def answers(monkeypatch):
    """What each method is going to say, whatever it is asked."""
    said = dict(HONEST)

    def verify(problem, picture, region, method, *, budget):
        return SimpleNamespace(status=said["MILP" if method == "milp" else method])

    def descend(problem, picture, box, label):
        return ("an input" if said["attack"] == REFUTED else None), 0

    monkeypatch.setattr(verifiers, "verify", verify)
    monkeypatch.setattr(verifiers, "descend", descend)
    monkeypatch.setattr(LinfBall, "box", lambda self, picture, domain: None)
    return said


def case(images=2):
    """A network that labels everything 3; the second image is no 3."""
    predictor = SimpleNamespace(labels=lambda pictures: np.full(len(pictures), 3))
    domain = SimpleNamespace(size=4, shape=(2, 2, 1), low=0, high=255)
    problem = SimpleNamespace(predictor=predictor, domain=domain, picture=lambda image: image)
    x = np.full((images, 2, 2, 1), 9, np.int16)
    return verifiers.Case("digits/none", problem, None, x, np.arange(3, 3 + images), np.arange(4))


def test_agreement_is_counted(answers):
    wrong = []
    row, times = verifiers.measured(case(), 8, 3, wrong)
    assert wrong == []
    assert (row["right"]["count"], row["verified"]["count"], row["attacked"]["count"]) == (1, 1, 1)
    assert [row[m] for m in verifiers.METHODS] == [0, 0, 1, 1, 1, None]
    assert times["linear"] >= 0 and times["smoothing"] is None


@pytest.mark.parametrize(
    "lie",
    [
        {"MILP": REFUTED},
        {"enumeration": REFUTED},
        {"attack": REFUTED},
        {"intervals": PROVEN, "enumeration": REFUTED},
        {"linear": PROVEN, "MILP": REFUTED},
        {"branching": REFUTED},
    ],
)
def test_every_contradiction_is_noticed(answers, lie):
    answers.update(lie)
    wrong = []
    verifiers.measured(case(), 8, 3, wrong)
    assert len(wrong) == 1 and wrong[0].startswith("digits/none, image 0, 8 LSB, 3 pixels")


def test_an_answer_of_the_oracle_alone_verifies_nothing(answers):
    answers.update(enumeration=UNKNOWN, branching=UNKNOWN)
    row, _ = verifiers.measured(case(), 8, 3, [])
    assert row["MILP"] == 1 and row["verified"]["count"] == 0


def test_a_contradiction_fails_the_command(monkeypatch, capsys):
    # The oracle lies about real networks; intervals prove nothing, so that it is asked.
    honest = verifiers.verify

    def silent(problem, picture, region, method, *, budget):
        if method in ("intervals", "milp"):
            return SimpleNamespace(status=UNKNOWN if method == "intervals" else REFUTED)
        return honest(problem, picture, region, method, budget=budget)

    monkeypatch.setattr(verifiers, "verify", silent)
    monkeypatch.setattr(sys, "argv", ["verifiers.py", "--tiny"])
    assert verifiers.main() == 1
    assert "'MILP': 'refuted'" in capsys.readouterr().err
