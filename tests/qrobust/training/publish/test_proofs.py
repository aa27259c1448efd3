"""Rows of proofs on a card: counts that enumeration confirms, beside an attack that cannot win."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from summaries import SUMMARY

from qrobust import quantize
from qrobust.architectures import digits_cnn
from qrobust.datasets import Split, digits
from qrobust.training.apply_defence import defend
from qrobust.training.publish import proofs as module
from qrobust.training.publish.card import card
from qrobust.training.publish.proofs import decide, proofs
from qrobust.training.recipe import Proof
from qrobust.verify import PROVEN, LinfBall, Problem, verify
from tflite_export import export


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    model = quantize(defend(digits_cnn(width=4, batch_norm=False), sigma=0), 4, 4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    train = digits().train
    model.fit(train.x, train.y, epochs=6, verbose=0)
    return model, export(model).tflite


@pytest.mark.thorough
def test_every_image_is_decided_as_verify_decides_it(network):
    _, tflite = network
    problem, test = Problem(tflite), digits().test
    x, y = test.x[:40], test.y[:40]
    found = decide(problem, x, y, 2, boxes=30)
    for i, by in enumerate(found.by):
        label = int(problem.predictor.labels(problem.picture(x[i])[None])[0])
        assert found.right[i] == (label == y[i])
        if not found.right[i]:
            assert by == ""
        elif by in module.METHODS:
            outcome = verify(problem, x[i], LinfBall(2), by, budget=30)
            assert outcome.status == PROVEN
            first = module.METHODS[: module.METHODS.index(by)]
            assert all(verify(problem, x[i], LinfBall(2), m).status != PROVEN for m in first)
    assert found.count("intervals") > 0
    assert found.count(*module.METHODS) <= found.right.sum()


@pytest.mark.thorough
def test_the_rows_lie_under_the_attack_and_stand_on_the_card(network):
    model, tflite = network
    test = digits().test
    (table,) = proofs(model, tflite, test, Proof(images=40, radii=(1, 6), boxes=4))
    assert [row[0] for row in table.rows] == [1, 6]
    for _, verified, *by, refuted, attacked in table.rows:
        assert verified["count"] == sum(by)
        assert verified["count"] <= attacked["count"] <= 40 - refuted
    assert table.rows[0][1]["count"] > table.rows[1][1]["count"]
    assert "| L-inf radius (LSB)" in card(replace(SUMMARY, tables=(table,)))
    assert proofs(model, tflite, test, Proof()) == ()


@pytest.mark.thorough
def test_a_proof_that_an_attack_breaks_is_an_error(network, monkeypatch):
    """Planted: intervals that prove everything."""
    model, tflite = network
    test = digits().test
    monkeypatch.setattr(
        module, "shown_by_intervals", lambda graph, box, label: np.ones(len(box.low), bool)
    )
    part = Split(test.x[:40], test.y[:40])
    with pytest.raises(ValueError, match="was proven in that ball: a defect"):
        proofs(model, tflite, part, Proof(images=40, radii=(30,)))
