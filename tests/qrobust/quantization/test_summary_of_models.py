"""``qrobust.summary``: what stands in it is what the model has, and what the exporter does."""

import keras
import pytest

import qrobust
import tflite_export
from qrobust import layers

L = keras.layers


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    plain = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.GridNoise(64, seed=0),
            L.Rescaling(1 / 256),
            layers.JacobianRegularized(L.Conv2D(4, 3, activation="relu", name="conv"), 1e-4),
            L.Flatten(),
            L.Dense(5, activation="relu", name="hidden"),
            L.Dense(3, name="logits"),
        ],
        name="net",
    )
    return qrobust.quantize(plain, weight_bits={"conv": 6, "*": 3}, activation_bits=4)


def test_bits_parameters_and_the_file(model):
    found = qrobust.summary(model)
    by_name = {layer.name: layer for layer in found.layers}
    assert {n: (p.weight_bits, p.parameters) for n, p in by_name.items() if p.parameters} == {
        "conv": (6, 40),
        "hidden": (3, 325),
        "logits": (3, 18),
    }
    assert [p.activation_bits for p in found.layers if p.activation_bits] == [4, 4]
    assert "JacobianRegularized 0.0001" in by_name["conv"].penalties
    assert found.defences == ("GridNoise sigma 64 LSB",)
    assert found.file_bytes == len(tflite_export.export(model).tflite) and not found.problem
    assert found.parameters == 383 == model.count_params() - 3  # two sigmas, a penalty's weight
    text = str(found)
    assert "net: 383 parameters" in text and f"exactly, {found.file_bytes:,} bytes" in text
    assert max(map(len, text.splitlines())) <= 100


def test_wrapped_models_name_what_is_around(model):
    outer = keras.Sequential([keras.Input((6, 6, 1)), layers.Consistency(model, 5)])
    found = qrobust.summary(outer)
    assert set(found.defences) == {"GridNoise sigma 64 LSB", "Consistency 5"}
    assert found.parameters == 383


def test_a_float_model_says_why_it_does_not_export():
    plain = keras.Sequential([keras.Input((4,)), L.Dense(3, name="float_one")], name="plain")
    found = qrobust.summary(plain)
    assert found.file_bytes is None and "float_one" in found.problem
    assert "does not export: " in str(found) and "none, it trains as any" in str(found)
    folded = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            L.Conv2D(2, 3, use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.Flatten(),
            L.Dense(2),
        ]
    )
    folded = qrobust.quantize(folded, weight_bits=4, activation_bits=4)
    assert qrobust.summary(folded).parameters == folded.count_params()


def test_what_is_no_built_model_is_refused():
    for wrong in (L.Dense(3), keras.Sequential([L.Dense(3)]), "net.keras"):
        with pytest.raises(ValueError, match="a Keras model with inputs of known shape"):
            qrobust.summary(wrong)
