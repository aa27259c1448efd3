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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('name = "caltech101"\nshape = [64, 32, 3]', "squares in colour"),
        ('name = "caltech101"\nshape = [64, 64, 1]', "squares in colour"),
        ('name = "cifar10"\nshape = [64, 64, 3]', "cifar10 has one"),
    ],
)
def test_shape_of_a_data_set_that_has_its_own(tmp_path, data, message):
    path = tmp_path / "recipe.toml"
    path.write_text(
        f'name = "a"\n[data]\n{data}\n[network]\nname = "resnet8"\n[defence]\nsigma = 64\n'
        "[training]\nepochs = 1\n"
    )
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


def test_caltech_in_another_size(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for label in range(2):
        folder = tmp_path / "101_ObjectCategories" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(32):
            image.new("RGB", (20, 30), (99 * label, 7 * number, 0)).save(folder / f"{number}.jpg")
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "a"\n[data]\nname = "caltech101"\nshape = [16, 16, 3]\n[network]\n'
        'name = "resnet8"\n[defence]\nsigma = 64\n[training]\nepochs = 1\n'
    )
    dataset = load_data(read_recipe(path), str(tmp_path))
    assert dataset.train.x.shape == (60, 16, 16, 3) and dataset.test.x.shape[1:] == (16, 16, 3)
