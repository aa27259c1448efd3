"""Flips along gradients cost more than flips at random, and the command says what is left."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qrobust.attacks.faults.activation_flips import exposed, guided_masks, labels, random_masks
from qrobust.attacks.faults.evaluate_faults import _activations, evaluate_faults
from qrobust.attacks.faults.graph_twin import GraphTwin
from qrobust.attacks.faults.progressive_search import _Search, progressive_search
from qrobust.attacks.faults.stored_weights import StoredWeights
from qrobust.attacks.targets.tflite_target import TFLiteTarget
from qrobust.cli import main
from qrobust.datasets import digits
from qrobust.load_keras import load_keras
from tflite_export import export
from tflite_export.read import read_graph

FILE = Path(__file__).parents[4] / "models" / "digits" / "model.tflite"
COUNT = 60


@pytest.fixture(scope="module")
def content():
    return FILE.read_bytes()


@pytest.fixture(scope="module")
def pictures():
    data = digits(0).test
    return data.x[: 2 * COUNT], data.y[: 2 * COUNT].astype(np.int64)


@pytest.fixture(scope="module")
def q(content, pictures):
    graph = read_graph(content, as_stored=True)
    return (pictures[0].astype(np.int16) + graph.inputs[0].grid.zero_point).astype(np.int8)


def losses(content, stored, q, y, every):
    import tensorflow as tf

    twin = GraphTwin(read_graph(content, as_stored=True))
    found = []
    for flips in every:
        values = [value.astype(np.float32) for value in stored.values(flips)]
        run = twin.run(q.astype(np.float32), [values[i] for i in stored.uses])
        cost = tf.nn.sparse_softmax_cross_entropy_with_logits(y, twin.logits(run))
        found.append(float(tf.reduce_mean(cost)))
    return np.array(found)


@pytest.mark.ordinary(4)
def test_the_first_flip_costs_more_than_flips_at_random(content, pictures, q):
    stored = StoredWeights(content)
    y = pictures[1]
    (guided,) = progressive_search(stored, q, y, 1)
    rng = np.random.default_rng(0)
    random = [stored.random(rng, 1) for _ in range(150)]
    found = losses(content, stored, q, y, [[guided], *random])
    assert found[0] > found[1:].max()


@pytest.mark.ordinary(3)
def test_flips_follow_the_loss_and_repeat_none(content, pictures, q):
    stored = StoredWeights(content)
    flips = list(progressive_search(stored, q, pictures[1], 6))
    assert len(set(flips)) == 6
    found = losses(content, stored, q, pictures[1], [flips[:k] for k in range(7)])
    assert (np.diff(found) > 0).all()


@pytest.mark.ordinary(3)
def test_one_bit_of_an_activation_along_gradients(content, pictures, q):
    graph = read_graph(content, as_stored=True)
    y = pictures[1][:COUNT]
    (masks,) = guided_masks(graph, q[:COUNT], y, 1)
    for picture in range(COUNT):
        flipped = [
            np.unpackbits(m[picture].reshape(-1).view(np.uint8)).sum() for m in masks.values()
        ]
        assert sum(flipped) == 1
    clean = labels(graph, q[:COUNT]) == y
    guided = labels(graph, q[:COUNT], masks) == y
    rngs = [np.random.default_rng(i) for i in range(COUNT)]
    drawn = labels(graph, q[:COUNT], random_masks(graph, rngs, 1)) == y
    assert guided.sum() < 0.5 * drawn.sum() <= clean.sum()
    target = TFLiteTarget(content)
    np.testing.assert_array_equal(target.logits(pictures[0][:COUNT]).argmax(1) == y, clean)
    target.close()


@pytest.mark.ordinary(4)
def test_no_bit_of_an_activation_is_flipped_back(content, pictures, q):
    graph = read_graph(content, as_stored=True)
    wrong = (pictures[1][:8] + 1) % 10  # what raises the margin is soon used up
    for count, masks in enumerate(guided_masks(graph, q[:8], wrong, 6), start=1):
        for picture in range(8):
            own = [mask[picture].reshape(-1).view(np.uint8) for mask in masks.values()]
            assert np.unpackbits(np.concatenate(own)).sum() == count


@pytest.mark.ordinary(2)
def test_no_bit_of_a_weight_is_named_twice(content, pictures, q):
    stored = StoredWeights(content)
    search = _Search(stored, q, pictures[1])
    values = stored.values([])
    first = [flip for flip, _ in search.candidates(values, [])]
    assert [flip for flip, _ in search.candidates(values, [])] == first
    assert not set(first) & {flip for flip, _ in search.candidates(values, first)}


@pytest.mark.ordinary(9)
def test_the_table(content, pictures):
    x, y = pictures
    told = []
    search = (x[COUNT:], y[COUNT:])
    options = {"repeats": 2, "told": told.append, "trusted": True}
    found = evaluate_faults(content, x[:COUNT], y[:COUNT], search, 2, **options)
    assert list(found.rows) == told
    counts = [(row.where, row.how, row.flips) for row in found.rows]
    random = [1, 4, 16, 64]
    assert counts == [
        *(("weights", "random", k) for k in random),
        ("weights", "gradient-guided", 1),
        ("weights", "gradient-guided", 2),
        *(("activations", "random", k) for k in random),
        ("activations", "gradient-guided", 1),
        ("activations", "gradient-guided", 2),
    ]
    by = {(row.where, row.how, row.flips): row for row in found.rows}
    assert by["weights", "gradient-guided", 2].accuracy < by["weights", "random", 4].least
    for row in found.rows:
        assert 0 <= row.least <= row.accuracy <= row.greatest <= 1
    again = evaluate_faults(content, x[:COUNT], y[:COUNT], search, 2, where=("weights",), **options)
    assert again.rows == found.rows[:6] and again.activation_bits == 0
    assert found.left_out == "" and "| weights | random | 64 |" in found.markdown()


@pytest.mark.ordinary(9)
def test_a_border_of_uint8_changes_nothing(content, pictures):
    x, y = pictures[0][:COUNT], pictures[1][:COUNT]
    model = load_keras(FILE.with_name("model.keras"))
    found = [
        evaluate_faults(file, x[:30], y[:30], (x[30:], y[30:]), 1, repeats=1, trusted=True).rows
        for file in (export(model, io=io).tflite for io in ("int8", "uint8"))
    ]
    assert found[0] == found[1]


def test_nothing_between_input_and_logits(pictures):
    x, y = pictures[0][:COUNT], pictures[1][:COUNT]
    full = read_graph(FILE.read_bytes(), as_stored=True)
    assert exposed(full)
    dense = [op for op in full.operators if op.output in full.outputs]
    alone = replace(full, inputs=dense[0].inputs, operators=tuple(dense))
    assert exposed(alone) == [] and list(_activations(alone, x, y, 2, 1, 0)) == []


@pytest.mark.ordinary(9)
def test_the_command(tmp_path, capsys, pictures):
    x, y = pictures
    np.savez(tmp_path / "d.npz", x=x, y=y)
    out = tmp_path / "faults.json"
    given = ["attack", str(FILE), str(tmp_path / "d.npz"), "--out", str(out), "--bit-flips", "1"]
    assert main([*given, "--images", "40", "--storage", "c99", "--trusted"]) == 0
    found = json.loads(out.read_text())
    assert (found["images"], found["searched"], found["storage"]) == (40, 80, "c99")
    assert out.with_suffix(".md").read_text() in capsys.readouterr().out
    for extra, words in (
        (["--images", "110"], "searched on at least 16 others"),
        (["--epsilon", "3", "--norm", "l2"], "leave out --epsilon, --norm"),
        (["--bit-flips", "0"], "at least 1"),
        (["--out", str(tmp_path / "faults.txt")], "ends in .json"),
    ):
        assert main([*given, *extra]) == 2
        assert words in capsys.readouterr().err.replace("\n", " ")
    plain = [*given[:-2], "--storage", "c99"]
    assert main(plain) == 2
    assert "--storage goes with --bit-flips" in capsys.readouterr().err
    assert main([given[0], str(FILE.with_name("model.keras")), *given[2:]]) == 2
    assert "goes with a .tflite" in capsys.readouterr().err
