"""Recipe keys of distributions and boundary samples: what they build, train and refuse."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_network import tiny

from qrobust import layers
from qrobust.training import defend
from qrobust.training.phase import unwrapped, wrapped
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Training
from qrobust.training.train import train
from tflite_export.keras_private import layers_inside

RECIPE = Recipe(
    name="small",
    data=Data("digits"),
    network=Network("tiny_network:tiny"),
    defence=Defence(sigma=20, weight_spread=0.2, weight_entropy=0.1),
    training=Training(epochs=1, float_epochs=1, batch_size=256),
)


def distributions(model):
    return [x for x in layers_inside(model) if isinstance(x, layers.WeightDistribution)]


def test_every_linear_layer_gets_a_distribution_of_its_own():
    model = defend(tiny((8, 8, 1), 10), sigma=20, spread=0.3, entropy=0.5, seed=4)
    found = distributions(model)
    assert [x.layer.name for x in found] == ["conv", "logits"]
    assert {(x.spread, x.entropy) for x in found} == {(0.3, 0.5)}
    assert len({x.seed for x in found} | {4}) == 3  # no two draw the same, nor as the noise does
    plain = defend(tiny((8, 8, 1), 10), sigma=20)
    assert not distributions(plain)


@pytest.mark.thorough
def test_a_recipe_trains_distributions_through_both_phases():
    trained = train(RECIPE, allow_code=True)
    found = distributions(trained.model)
    assert len(found) == 2
    assert all(np.ptp(np.asarray(x.rho)) > 0 for x in found)


@pytest.mark.thorough
def test_a_recipe_trains_on_boundary_samples():
    defence = Defence(sigma=0, boundary=60, boundary_share=0.25)
    model = defend(tiny((8, 8, 1), 10), sigma=0)
    inside = wrapped(model, defence, seed=3).layers[-1]
    assert isinstance(inside, layers.BoundarySamples)
    assert (inside.reach, inside.share, inside.seed) == (60, 0.25, 3)
    trained = train(replace(RECIPE, defence=defence), allow_code=True)
    assert not any(isinstance(x, layers.BoundarySamples) for x in layers_inside(trained.model))
    assert unwrapped(wrapped(model, defence)) is model


@pytest.mark.parametrize(
    "options", [{"spread": 0.1, "jacobian": 1e-4}, {"entropy": 0.1}, {"spread": -1.0}]
)
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(ValueError, match="spread"):
        defend(tiny((8, 8, 1), 10), sigma=20, **options)


def test_two_losses_are_refused():
    with pytest.raises(ValueError, match="boundary"):
        wrapped(tiny((8, 8, 1), 10), Defence(sigma=20, boundary=5, consistency=5))
