"""How a recipe says the steps of weights and the ranges of activations are found."""

import numpy as np
import pytest
from tiny_network import tiny

from qrobust.quantizers import PowerOfTwoWeights, QuantizedRelu
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training
from qrobust.training.recipe_sources import check_sources
from qrobust.training.train import train
from tflite_export.keras_private import layers_inside

HERE = f"{tiny.__module__}:{tiny.__name__}"


def recipe(bits, network=None, training=None):
    """Weights that batch norm does not hold near one: ranges that data alone can tell."""
    return Recipe(
        name="small",
        data=Data("digits"),
        network=network or Network(HERE),
        quantization=bits,
        defence=Defence(sigma=20),
        training=training or Training(epochs=0, float_epochs=1, batch_size=256),
    )


def trained(**bits):
    return train(recipe(Quantization(**bits)), allow_code=True).model


def quantizers(model, kind):
    held = [q for layer in layers_inside(model) for q in vars(layer).values()]
    return [q for q in held if isinstance(q, kind)]


def test_steps_of_weights_are_found_as_the_recipe_says():
    for scale in ("least_squares", "max"):
        found = quantizers(trained(weight_scale=scale), PowerOfTwoWeights)
        assert found and {one.scale_from for one in found} == {scale}


def test_ranges_are_measured_or_taken_from_what_batch_norm_makes_likely():
    measured, likely = trained(), trained(calibration=0)
    ranges = [[q.integer for q in quantizers(m, QuantizedRelu)] for m in (measured, likely)]
    assert ranges[1] and set(ranges[1]) == {2}
    assert ranges[0] != ranges[1]
    x = np.arange(64.0).reshape(1, 8, 8, 1)
    assert not np.array_equal(measured.predict(x, verbose=0), likely.predict(x, verbose=0))


@pytest.mark.parametrize("bits", [{"weight_scale": "max"}, {"calibration": 0}], ids=str)
@pytest.mark.parametrize(
    ("network", "weights"),
    [(Network(HERE, start="a.keras"), 4), (Network(HERE), "float")],
    ids=["a start", "a float twin"],
)
def test_where_nothing_is_quantized_they_are_refused(bits, network, weights):
    given = recipe(Quantization(weight_bits=weights, **bits), network)
    with pytest.raises(ValueError, match=f"{next(iter(bits))} is of a float network"):
        check_sources(given, "r.toml")
    check_sources(recipe(Quantization(weight_bits=weights), network), "r.toml")


def test_members_have_their_steps():
    bits, network = Quantization(weight_scale="max"), Network(members=("a.keras", "b.keras"))
    with pytest.raises(ValueError, match=r"members keep their bits: leave out \[quantization\]"):
        check_sources(recipe(bits, network, Training(epochs=0)), "r.toml")


def test_ranges_of_what_is_not_trained_are_never_measured():
    given = recipe(Quantization(calibration=64), training=Training(epochs=1))
    with pytest.raises(ValueError, match="calibration is of a trained float network"):
        check_sources(given, "r.toml")


@pytest.mark.parametrize("bits", ["ternary", "binary", {"conv": "ternary", "*": "mean_ternary"}])
def test_named_weights_have_steps_of_their_own(bits):
    given = recipe(Quantization(weight_bits=bits, weight_scale="max"))
    with pytest.raises(ValueError, match="weight_scale is of weights of 2 to 8 bits"):
        check_sources(given, "r.toml")
    mixed = recipe(Quantization(weight_bits={"conv": "ternary", "*": 4}, weight_scale="max"))
    check_sources(mixed, "r.toml")


@pytest.mark.parametrize("schedule", [{"0": "ternary"}, {"0": "ternary", "5": 4}])
def test_a_scale_would_be_lost_in_a_schedule_with_names(schedule):
    """From "ternary" back to numbers steps are those of the least squares."""
    given = recipe(Quantization(weight_scale="max", weight_schedule=schedule))
    with pytest.raises(ValueError, match="no schedule with names; there are ternary"):
        check_sources(given, "r.toml")
    numbers = Quantization(weight_scale="max", weight_schedule={"0": 8, "5": 4})
    check_sources(recipe(numbers), "r.toml")
