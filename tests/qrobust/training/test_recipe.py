from pathlib import Path

import pytest

from qrobust.training import read_recipe

GOOD = """
name = "small"
[data]
name = "digits"
[network]
name = "digits_cnn"
[defence]
sigma = 64
[training]
epochs = 2
"""


def written(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_defaults_fill_what_is_left_out(tmp_path):
    recipe = read_recipe(written(tmp_path, GOOD))
    assert (recipe.name, recipe.seed, recipe.training.epochs) == ("small", 0, 2)
    assert recipe.quantization.weight_bits == 4
    assert recipe.certification.alpha == "0.001"


@pytest.mark.parametrize("path", sorted(Path("models").glob("*/recipe.toml")), ids=str)
def test_every_recipe_of_the_project_can_be_read(path):
    assert read_recipe(path).name == path.parent.name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "colour = 3\n", r"\[training\]: unknown key 'colour'"),
        (GOOD.replace("sigma = 64", ""), r"\[defence\]: missing.*sigma"),
        (GOOD.replace("epochs = 2", 'epochs = "two"'), r"'epochs' is of type int. Received: 'two'"),
        (GOOD.replace("[training]\nepochs = 2", ""), "missing.*training"),
        (GOOD.replace("name", "name =", 1), "is not TOML"),
    ],
)
def test_a_bad_recipe_is_explained(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        read_recipe(written(tmp_path, text))


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ValueError, match="nothing.toml"):
        read_recipe(tmp_path / "nothing.toml")
