"""A recipe of an ensemble: published like any other, its weights given or learned."""

import json

import keras
import numpy as np
import pytest

import qrobust
from qrobust import cli, datasets
from qrobust.ensembles import combine, learn_weights
from qrobust.training.recipe import read_recipe
from qrobust.training.train import train

TEXT = """
name = "both"
[data]
name = "digits"
held_out = 100
[network]
members = ["a.keras", "b.keras"]
{network}
[defence]
sigma = 32
[training]
epochs = {epochs}
[certification]
images = 2
n = 100
radii = [0, 16]
[attack]
images = 0
[parity]
inputs = 8
allow_missing = ["TFLM"]
"""


def member(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            qrobust.layers.GridNoise(32, seed=seed),
            keras.layers.Rescaling(2**-8),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ],
        name="net",
    )
    train = datasets.digits(0).train
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    model.fit(train.x[:500], train.y[:500], epochs=1 + 2 * seed, batch_size=64, verbose=0)
    return qrobust.quantize(model, 4, 4, calibrate=train.x[:100])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe")
    for seed, name in enumerate("ab"):
        member(seed).save(path / f"{name}.keras")
    return path


def recipe(folder, network="", epochs=0):
    path = folder / "recipe.toml"
    path.write_text(TEXT.format(network=network, epochs=epochs))
    return path


@pytest.mark.thorough
def test_it_is_published_like_any_other(folder, tmp_path, capsys):
    path = recipe(folder, "member_weights = [3, 1]")
    assert cli.main(["train", str(path), "--out", str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert "ensemble of 2 by mean" in json.dumps(summary)
    assert not any(count for count in summary["parity"].values() if isinstance(count, int))
    members = [keras.models.load_model(folder / f"{name}.keras") for name in "ab"]
    x = datasets.digits(0).test.x[:50]
    expected = combine(members, [3, 1]).predict(x, verbose=0)
    made = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(made.predict(x, verbose=0), expected)


@pytest.mark.thorough
def test_weights_are_learned_on_what_is_held_out(folder, capsys):
    made = read_recipe(recipe(folder))
    trained = train(made)
    part = trained.dataset.validation
    members = [keras.models.load_model(folder / f"{name}.keras") for name in "ab"]
    weights = learn_weights(members, part.x, part.y, 32, seed=0).weights
    assert f"held-out examples: {weights}" in capsys.readouterr().err
    x = trained.dataset.test.x[:50]
    expected = combine(members, weights).predict(x, verbose=0)
    assert np.array_equal(trained.model.predict(x, verbose=0), expected)


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    ("network", "epochs", "words"),
    [
        ('rule = "vote"', 0, "mean or majority"),
        ('name = "digits_cnn"', 0, "or members"),
        ('weights = "a.keras"', 0, "members are whole"),
        ("member_weights = [1, 2, 3]", 0, "one for each of 2 members"),
        ("member_weights = [0, 0]", 0, "not all zero"),
        ("", 2, "epochs = 0"),
    ],
)
def test_what_makes_no_sense_is_refused(folder, network, epochs, words):
    with pytest.raises(ValueError, match=words):
        read_recipe(recipe(folder, network, epochs))


def test_a_rule_is_of_members(folder):
    path = recipe(folder, 'rule = "majority"')
    path.write_text(
        path.read_text().replace('members = ["a.keras", "b.keras"]', 'name = "resnet8"')
    )
    with pytest.raises(ValueError, match="are of members"):
        read_recipe(path)
