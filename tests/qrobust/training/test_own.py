"""A recipe on data and a network of one's own."""

import keras
import numpy as np
import pytest

from qrobust import datasets
from qrobust.training.publish.road import run_recipe
from qrobust.training.recipe import read_recipe
from qrobust.training.train import build, load_data

RECIPE = """
name = "own"
seed = 1
[data]
name = "own"
path = "data.npz"
[network]
model = "net.keras"
[defence]
sigma = 20
[training]
epochs = 1
batch_size = 64
[certification]
images = 3
n = 200
n0 = 20
radii = [0]
[attack]
images = 0
"""


@pytest.fixture
def folder(tmp_path):
    digits = datasets.digits(0)
    some = slice(0, 300)
    np.savez(tmp_path / "data.npz", x=digits.train.x[some], y=digits.train.y[some])
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 256)(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu", strides=2)(x)
    keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(x))).save(
        tmp_path / "net.keras"
    )
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def test_it_is_trained_exported_and_certified(folder):
    published = run_recipe(folder / "recipe.toml", allow_missing=("TFLM",))
    assert "net.keras, weights 4" in published.card and len(published.certificates) == 3
    assert (folder / "model.tflite").exists()


def test_training_starts_from_the_networks_own_weights(folder):
    recipe = read_recipe(folder / "recipe.toml")
    model = build(recipe, load_data(recipe, None))
    for a, b in zip(
        model.get_weights(),
        keras.models.load_model(folder / "net.keras").get_weights(),
        strict=True,
    ):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('path = "data.npz"', "", 'name = "own" takes path'),
        ('name = "own"\npath', 'name = "digits"\npath', 'name = "own" takes path'),
        ('model = "net.keras"', "", "takes a name, or model"),
        ('model = "net.keras"', 'model = "a.keras"\nname = "resnet8"', "takes a name, or model"),
        ('model = "net.keras"', 'model = "a.keras"\nweights = "b.keras"', "model is whole"),
        ('path = "data.npz"', 'path = "http://x/data.npz"', "a file, not an address"),
        ('path = "data.npz"', 'path = "d"\nshape = [8, 0, 1]', r"shape lies in \[1"),
    ],
)
def test_recipes_that_say_too_much_or_too_little(folder, old, new, message):
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


def test_a_network_for_other_data_is_refused(folder):
    other = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    other.save(folder / "net.keras")
    recipe = read_recipe(folder / "recipe.toml")
    with pytest.raises(ValueError, match=r"takes \(6, 6, 1\) and gives 3 logits"):
        build(recipe, load_data(recipe, None))
