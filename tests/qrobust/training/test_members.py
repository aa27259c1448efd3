"""A recipe of an ensemble: published like any other, its weights given or learned."""

import json

import keras
import numpy as np
import pytest

import qrobust
from qrobust import cli, datasets
from qrobust.ensembles import combine, learn_weights
from qrobust.quantization.set_bits import set_bits
from qrobust.training.members import in_words
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data, train

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
    network = {"name": "ensemble of 2 by mean (3 : 1)", "weight_bits": "4"}
    assert network.items() <= summary["network"].items()
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
        ("[quantization]\nweight_bits = 3", 0, "keep their bits"),
        ("[verify]\nfamilies = []\n[quantization]\nactivation_bits = 3", 0, "keep their bits"),
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


@pytest.mark.parametrize("key", ["consistency = 5", "weight_spread = 0.2", "boundary = 80"])
def test_what_a_training_would_heed_is_refused(folder, key):
    path = recipe(folder)
    path.write_text(path.read_text().replace("sigma = 32", f"sigma = 32\n{key}"))
    with pytest.raises(ValueError, match=f"members are trained.*{key.split()[0]}"):
        read_recipe(path)


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("rule", ["mean", "majority"])
def test_a_card_says_what_is_in_the_model(folder, rule):
    """Not what the recipe names: a member of weight 0 is left out, and bits are the members'."""
    four = keras.models.load_model(folder / "a.keras")
    three = keras.models.clone_model(four)
    set_bits(three, weight_bits=3)
    made = combine([four, three, four], [6, 4, 0], rule=rule)
    name, weights, activations = in_words(made)
    assert name == f"ensemble of 2 by {rule} (3 : 2)"
    assert (weights, activations) == ("member 1: 4, member 2: 3", "none")
    assert in_words(combine([four], rule=rule))[:2] == (f"ensemble of 1 by {rule} (1)", "4")


def test_a_split_seed_is_of_data_that_are_split(folder):
    path = recipe(folder)
    text = path.read_text()
    path.write_text(text.replace('"digits"', '"digits"\nsplit_seed = 3'))
    split = load_data(read_recipe(path), None)
    assert np.array_equal(split.test.x, datasets.digits(3).test.x)
    path.write_text(text.replace('"digits"', '"cifar10"\nsplit_seed = 3'))
    with pytest.raises(ValueError, match="split_seed"):
        read_recipe(path)
