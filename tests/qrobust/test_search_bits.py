"""Bits that fall under a budget of bytes."""

import keras
import numpy as np
import pytest
from noisy_models import examples, noisy_model

import qrobust
from qrobust.callbacks import CertifiedAccuracy
from qrobust.quantization import search_bits
from qrobust.quantization.search import exported_size
from qrobust.quantization.set_bits import current_bits

L = keras.layers


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16,)),
            L.Dense(64, activation="relu", name="wide"),
            L.Dense(8, activation="relu", name="narrow"),
            L.Dense(4, name="logits"),
        ]
    )
    return qrobust.quantize(model, 6, 4)


def test_layers_that_matter_keep_their_bits():
    model = network()

    def evaluate(model):  # the wide layer is worth ten times its bits
        bits, _ = current_bits(model)
        return 10 * bits["wide"] + bits["narrow"] + bits["logits"]

    def size(model):
        bits, _ = current_bits(model)
        weights = {"wide": 16 * 64, "narrow": 64 * 8, "logits": 32}
        return sum(bits[name] * count for name, count in weights.items()) // 8

    rounds = search_bits(model, evaluate, budget=900, size=size)
    # Per byte saved the narrow layer costs 1 / 64 a bit, the wide one 10 / 128, the logits 1 / 4.
    assert [(r.layer, r.bits) for r in rounds] == [
        ("narrow", 5), ("narrow", 4), ("narrow", 3), ("narrow", 2), ("wide", 5),
    ]  # fmt: skip
    assert rounds[-1].size == size(model) <= 900 < rounds[-2].size
    assert rounds[-1].score == evaluate(model)


def all_bits(model):
    return sum(current_bits(model)[0].values())


@pytest.mark.thorough
def test_certified_accuracy_is_a_score():
    model = qrobust.quantize(noisy_model(L.Dense(16, activation="relu", name="hidden")), 6, 4)
    x, _ = examples(12)
    y = model.predict(x, verbose=0).argmax(-1)
    watch = CertifiedAccuracy(x, y, radii=[4.0, 0.0], n=60)
    expected = float(watch.evaluate(model))
    assert 0 < expected < 1
    rounds = search_bits(model, watch.evaluate, budget=11, size=all_bits)
    assert rounds[-1].score == watch.evaluate(model)


@pytest.mark.thorough
def test_a_real_file_shrinks_to_its_budget_and_is_trained_between():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1))
    y = L.Conv2D(16, 3, activation="relu", name="stem")(L.Rescaling(1 / 256)(inputs))
    y = L.Conv2D(16, 3, activation="relu", name="wide")(y)
    y = L.Dense(3, name="logits")(L.Flatten()(y))
    model = qrobust.quantize(keras.Model(inputs, y), 6, 4)
    x = np.random.default_rng(0).integers(0, 256, (64, 6, 6, 1)).astype("float32")
    expected = model.predict(x, verbose=0)
    before, trained = exported_size(model), []
    rounds = search_bits(
        model,
        lambda m: -float(np.mean((m.predict(x, verbose=0) - expected) ** 2)),
        budget=before - 500,
        ladder=(6, 2),
        retrain=trained.append,
    )
    assert exported_size(model) == rounds[-1].size <= before - 500
    assert len(trained) == len(rounds)


def test_training_in_between_may_change_the_size_again():
    """It grows by 10 bytes a round: the search goes on until the real size fits."""
    grown = []
    rounds = search_bits(
        network(),
        lambda model: float(sum(current_bits(model)[0].values())),
        budget=980,
        size=lambda model: 50 * sum(current_bits(model)[0].values()) + 10 * len(grown) + 100,
        retrain=grown.append,
    )
    # 1000 bytes at 18 bits, then 50 less and 10 more a round.
    assert [r.size for r in rounds] == [960]


def test_a_budget_out_of_reach_is_an_error():
    with pytest.raises(ValueError, match="No layer can take fewer bits"):
        search_bits(network(), lambda m: 0.0, budget=10, size=lambda m: 11, ladder=(6, 4))
    with pytest.raises(ValueError, match="ladder falls"):
        search_bits(network(), lambda m: 0.0, budget=10, ladder=(2, 4))
