"""Tables of deployed files: what is kept, what is asked, what is compared."""

import json
from contextlib import closing

import numpy as np
import pytest
import results
from deployed.kept import kept
from deployed.parts import decimal, to_the_end
from deployed.row import Row, deployed
from deployed.table import differences, line, outcomes

from qrobust import datasets
from qrobust.attacks import Budget, KerasTarget, TFLiteTarget, auto_projected_gradient
from qrobust.attacks.evaluation.transfer import show
from qrobust.load_keras import load_keras

FILE = results.PROJECT / "models" / "digits" / "model.tflite"


def test_what_is_kept_is_of_its_key_alone(tmp_path):
    path, calls = tmp_path / "a" / "part.json", []

    def measure():
        calls.append(1)
        return {"value": len(calls)}

    assert kept(path, {"n": 1, "radii": (1.5,)}, measure) == {"value": 1}
    assert kept(path, {"n": 1, "radii": (1.5,)}, measure) == {"value": 1}
    assert kept(path, {"n": 2, "radii": (1.5,)}, measure, keep=False) == {"value": 2}
    assert json.loads(path.read_text())["key"]["n"] == 1
    assert kept(path, {"n": 2, "radii": (1.5,)}, measure) == {"value": 3}


def test_a_radius_is_never_made_smaller():
    assert decimal(31.875) == "31.875" and decimal(64) == "64"
    for value in (31.875 / 1.02, 1 / 3, 0.00001):
        assert value <= float(decimal(value)) < value + 1e-4


def test_pixels_become_steps_of_a_files_grid(tmp_path):
    test = datasets.digits(0).test
    with deployed(Row("digits", FILE), test.x, test.y, tmp_path) as subject:
        assert subject.step == 1
        assert (subject.on_grid(subject.x) == subject.x).all()
        assert subject.right(subject.x).mean() > 0.9
        halved = type(subject)(**vars(subject) | {"step": 2.0})
        assert (halved.on_grid(np.uint8([[0, 1, 3, 255]])) == [[0, 0, 2, 128]]).all()
    with pytest.raises(ValueError, match="reads inputs of shape"):
        with deployed(Row("digits", FILE), test.x[:2, :4], test.y[:2], tmp_path):
            pass


def test_an_attack_to_the_end_finds_what_lies_behind_the_boundary_of_its_source():
    test = datasets.digits(0).test
    x, y = test.x[:100].astype(np.int16), test.y[:100].astype(np.int64)
    source = KerasTarget(load_keras(FILE.parent / "float" / "model.keras"))
    budget = Budget(40)
    with closing(TFLiteTarget(FILE)) as judge:
        ended = to_the_end(source, judge, x, y, budget, "margin")
        stopped = auto_projected_gradient(source, x, y, budget, losses=("margin",), seed=1)
        assert ended.fallen.sum() > show(stopped, judge, y).fallen.sum()


def found(shift):
    right = [bool((i + shift) % 3) for i in range(30)]
    clean = {"right": right, "differ": 1, "integers": 300, "labels": 0, "portable": True, "step": 1}
    return {
        "clean": clean,
        "corrupted": {"right": {"fog 1": right, "fog 5": [False] * 30, "blur 1": right[::-1]}},
        "attacked": {"right": {"8": right[:10]}, "alike": 1.0, "exact": False},
    }


def test_a_row_counts_its_own_pictures():
    of = outcomes(found(0))
    assert of["all corruptions, mildest"].tolist() == (of["clean"] & of["clean"][::-1]).tolist()
    cells = line(Row("digits", FILE), found(0))
    assert cells["clean"] == {"count": 20, "of": 30}
    assert cells["worst case, 8"] == {"count": 6, "of": 10}
    assert cells["corrupted, mean"] == f"{(20 / 30 + 20 / 30) / 3:.1%}"
    assert "twin" in cells["gradients of"]


def test_differences_are_the_other_way_round_from_the_other_side():
    both = {"a": found(0), "b": found(1)}
    both["b"]["clean"]["right"] = [True] * 30
    (row,) = differences(both, "a")
    (back,) = differences(both, "b")
    assert row["file"] == "b" and row["clean"].startswith("+33.3 (+")
    assert back["file"] == "a" and back["clean"].startswith("-33.3 (-")


def test_what_else_is_compared_is_there_once_and_where_both_are():
    three = {"a": found(0), "b": found(1), "c": found(2)}
    rows = differences(three, "a", [("c", "b"), ("c", "a"), ("c", "gone")])
    assert [(row["file"], row["beside"]) for row in rows] == [("b", "a"), ("c", "a"), ("c", "b")]
    (row,) = differences({"b": three["b"], "c": three["c"]}, "b")
    assert rows[2] == row
