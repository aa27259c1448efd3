"""Flipped weights: the bytes of the file, and the fields of the generated C."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from qrobust.attacks.faults.stored_weights import C99, FILE, Flip, StoredWeights
from qrobust.load_keras import load_keras
from tflite_export import export, reference
from tflite_export.c99.pack import field_bits
from tflite_export.graph import Linear
from tflite_export.read import read_graph

MODELS = Path(__file__).parents[4] / "models"
NETWORKS = ("digits", "cifar10_resnet8_w4a4", "kws_dscnn_w4a8", "cifar10_stq")


def file_of(name):
    return (MODELS / name / "model.tflite").read_bytes()


def tensors(content):
    """Every constant that LiteRT sees, by name."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    found = {}
    for details in interpreter.get_tensor_details():
        try:
            found[details["name"], details["index"]] = interpreter.get_tensor(details["index"])
        except ValueError:  # not written yet
            continue
    return found


@pytest.mark.parametrize("name", NETWORKS[:3])
def test_one_flip_changes_one_bit_of_the_file_and_one_weight(name):
    content = file_of(name)
    stored = StoredWeights(content)
    weights = [op.weights for op in read_graph(content).operators if isinstance(op, Linear)]
    assert [len(layer.values) for layer in stored.layers] == [w.size for w in weights]
    assert stored.bits == 8 * sum(w.size for w in weights)
    rng = np.random.default_rng(0)
    before = tensors(content)
    for number in (0, stored.bits - 1, *rng.integers(stored.bits, size=6)):
        flip = stored.flip(int(number))
        changed = stored.flipped([flip])
        difference = np.frombuffer(content, np.uint8) ^ np.frombuffer(changed, np.uint8)
        assert np.unpackbits(difference).sum() == 1
        layer = stored.layers[flip.layer]
        after = tensors(changed)
        other = [key for key, value in before.items() if not np.array_equal(value, after[key])]
        named = [key for key in other if key[0] == layer.name]
        assert len(named) == 1
        was, now = (found[named[0]].reshape(-1).astype(np.int8) for found in (before, after))
        assert np.flatnonzero(was != now).tolist() == [flip.index]
        assert int(was[flip.index]) ^ int(now[flip.index]) in (1 << flip.bit, -128)
        assert stored.flipped([flip, flip]) == content


def test_fields_of_four_bits_lie_where_the_reader_finds_them():
    model = load_keras(MODELS / "digits" / "model.keras")
    content = export(model, storage="int4").tflite
    stored = StoredWeights(content)
    packed = [i for i, layer in enumerate(stored.layers) if layer.width == 4]
    assert packed
    graph = read_graph(content, as_stored=True)
    q = np.random.default_rng(1).integers(-128, 128, (4, *graph.inputs[0].shape))
    q = q.clip(graph.inputs[0].grid.minimum, graph.inputs[0].grid.maximum)
    for number in packed:
        flip = Flip(number, len(stored.layers[number].values) // 2, 2)
        changed = stored.flipped([flip])
        again = read_graph(changed, as_stored=True)
        linear = [op for op in again.operators if isinstance(op, Linear)]
        for i, layer in enumerate(stored.uses):
            expected = stored.layers[layer].values.copy()
            if layer == number:
                expected[flip.index] ^= 4
            np.testing.assert_array_equal(linear[i].weights.reshape(-1), expected)
        assert stored.flipped([flip, flip]) == content
    assert reference.run(graph, q)[0].shape[0] == 4


@pytest.mark.parametrize("name", NETWORKS)
def test_fields_of_the_c_are_flipped_as_its_weights_would_be(name):
    """Oracle: the graph that C is generated from, with the same bit of the same field flipped."""
    content = file_of(name)
    stored = StoredWeights(content, C99)
    graph = read_graph(content)
    linear = [op for op in graph.operators if isinstance(op, Linear)]
    widths = [field_bits(linear[stored.uses.index(i)].weights) for i in range(len(stored.layers))]
    assert [layer.bits for layer in stored.layers] == widths
    if name == "cifar10_stq":
        assert set(widths[1:-1]) == {2}
    rng = np.random.default_rng(0)
    source = graph.inputs[0]
    q = rng.integers(source.grid.minimum, source.grid.maximum + 1, (2, *source.shape))
    for flip in stored.random(rng, 4):
        layer = stored.layers[flip.layer]
        if layer.bits == 8 and flip.bit == 7:
            continue  # -128 is no weight of a graph
        changed = []
        for number, op in enumerate(linear):
            weights = op.weights.reshape(-1).copy()
            if stored.uses[number] == flip.layer:
                half = 1 << (layer.bits - 1)
                field = (int(weights[flip.index]) + 2 * half) % (2 * half) ^ (1 << flip.bit)
                weights[flip.index] = field - 2 * half * (field >= half)
            changed.append(replace(op, weights=weights.reshape(op.weights.shape)))
        given = iter(changed)
        operators = [next(given) if isinstance(op, Linear) else op for op in graph.operators]
        (expected,) = reference.run(graph.with_operators(tuple(operators)), q)
        flipped = read_graph(stored.flipped([flip]), as_stored=True)
        np.testing.assert_array_equal(reference.run(flipped, q)[0], expected)


@pytest.mark.parametrize("name", ["cifar10_proof", "digits_bands", "digits_ensemble"])
def test_fields_that_the_file_cannot_follow_are_refused(name):
    """Scaled weights times a flipped field would wrap around in int8: not the C's fault."""
    with pytest.raises(ValueError, match="leave its 8-bit type; use --storage file"):
        StoredWeights(file_of(name), C99)
    assert StoredWeights(file_of(name), FILE).bits


@pytest.mark.parametrize("name", NETWORKS)
def test_no_field_of_the_c_leaves_the_type_of_the_file(name):
    for layer in StoredWeights(file_of(name), C99).layers:
        every = np.arange(len(layer.values))
        values = layer.values
        for bit in range(layer.bits):
            values = layer.changed(values, every, bit)
            assert -128 <= values.min() and values.max() <= 127


def test_random_bits_are_different_ones_of_all():
    stored = StoredWeights(file_of("digits"))
    flips = stored.random(np.random.default_rng(0), 500)
    assert len(set(flips)) == 500
    assert {flip.bit for flip in flips} == set(range(8))
    assert len({flip.layer for flip in flips}) == len(stored.layers)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="storage is one of file, c99"):
        StoredWeights(file_of("digits"), "int3")
    for content in (b"no file", b"", file_of("digits")[:200]):
        with pytest.raises(ValueError, match="no .tflite that can be read"):
            StoredWeights(content)
    assert StoredWeights(file_of("digits")).storage == FILE
