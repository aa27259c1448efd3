import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from qrobust.certify import Settings
from qrobust.training import read_recipe, recipe
from qrobust.training.recipe_evidence import Proof

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

IBP = GOOD.replace(
    "sigma = 64", "sigma = 64\nibp = 8\nibp_kappa = 0.5\nibp_warmup = 1\nibp_ramp = 1"
)


def written(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_defaults_fill_what_is_left_out(tmp_path):
    recipe = read_recipe(written(tmp_path, GOOD))
    assert (recipe.name, recipe.seed, recipe.training.epochs) == ("small", 0, 2)
    assert recipe.quantization.weight_bits == 4
    assert recipe.certification.settings.alpha == "0.001"


MODELS = Path(__file__).parents[3] / "models"


RECIPES = sorted(MODELS.glob("*/*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_recipe_of_the_project_says_its_name(path):
    twin = "" if path.stem == "recipe" else f"_{path.stem}"
    assert read_recipe(path).name == f"{path.parent.name}{twin}"


def test_words_and_weights(tmp_path):
    text = GOOD.replace('"digits"\n[network]', '"digits"\nwords = ["yes", "no"]\n[network]')
    recipe = read_recipe(
        written(tmp_path, text.replace("[defence]", 'weights = "a/b.h5"\n[defence]'))
    )
    assert recipe.data.words == ("yes", "no")
    assert recipe.network.weights == str(tmp_path / "a" / "b.h5")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "colour = 3\n", r"\[training\]: unknown key 'colour'"),
        (GOOD.replace("sigma = 64", ""), r"\[defence\]: missing.*sigma"),
        (GOOD.replace("epochs = 2", 'epochs = "two"'), r"'epochs' is of type int. Received: 'two'"),
        (GOOD.replace("[training]\nepochs = 2", ""), "missing.*training"),
        (GOOD.replace("name", "name =", 1), "is not TOML"),
        (GOOD + "frozen_epochs = 3\n", "frozen_epochs are some of epochs = 2. Received: 3"),
        (GOOD + "measured = 64\n", "measured needs frozen_epochs"),
        (GOOD + "[quantization]\nweight_schedule = { late = 3 }\n", "Received: 'late'"),
        (GOOD + '[certification]\nradii = [0, "big"]\n', "radii are numbers.* Received: 'big'"),
        (GOOD + '[certification]\nalpha = "abc"\n', r"\[certification\]: .*alpha"),
        (GOOD + "[attack]\nepsilon = 0.5\n", "epsilon is at least 1 LSB. Received: 0.5"),
        (GOOD + "batch_size = 0\n", r"\[training\] batch_size is at least 1. Received: 0"),
        (GOOD.replace("epochs = 2", "epochs = -1"), r"epochs is at least 0. Received: -1"),
        (GOOD + "[certification]\nn = 0\n", r"\[certification\]: n must be at least 1, received 0"),
        (GOOD + "[certification]\nsamples = 3\n", r"unknown key 'samples'. Known keys: images, "),
        (GOOD + "[certification]\ngain = 3\n", r"'gain' is of type str | None. Received: 3"),
        (GOOD + "[certification]\nsigma = -1\n", "sigma is at least 0. Received: -1"),
        (GOOD.replace("sigma = 64", "sigma = 0"), "without noise there is nothing to certify"),
        (GOOD + "[proof]\nradii = [1.5]\n", "radii are whole LSB, at least 1. Received: 1.5"),
        (GOOD + "[proof]\nradii = [0]\n", "radii are whole LSB, at least 1. Received: 0"),
        (GOOD + "[proof]\nimages = -1\n", r"\[proof\] images is at least 0. Received: -1"),
        (GOOD + "[verify]\nradii = [1.5]\n", r"\[verify\] radii are whole LSB, at least 1. .*1.5"),
        (GOOD + "[verify]\nradii = [0]\n", "lies in .1, 255.|radii are whole LSB"),
        (GOOD + "[verify]\nboxes = 3\n", r"\[verify\] boxes cut L-inf balls: give radii"),
        (
            GOOD + "[verify]\nradii = [4]\n[proof]\nimages = 5\nradii = [2]\n",
            r"older name of \[verify\] radii: give one of them. Received: \[2\] and \[4\]",
        ),
        (IBP.replace("ibp_kappa = 0.5", "ibp_kappa = 1.5"), "ibp_kappa lies in .0, 1.. Received"),
        (IBP.replace("ibp_ramp = 1", "ibp_ramp = 2"), "epochs = 2 end before .* Received: 1 \\+ 2"),
    ],
)
def test_a_bad_recipe_is_explained(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        read_recipe(written(tmp_path, text))


def test_the_older_name_of_balls_says_the_same(tmp_path):
    asked = "images = 7\nradii = [2, 8]\nboxes = 3\n"
    new = read_recipe(written(tmp_path, GOOD + "[verify]\n" + asked))
    old = read_recipe(written(tmp_path, GOOD + "[proof]\n" + asked))
    assert new.proof == old.proof == Proof(images=7, radii=(2, 8), boxes=3)
    assert not read_recipe(written(tmp_path, GOOD + "[verify]\nimages = 7\n")).proof.images


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ValueError, match="nothing.toml"):
        read_recipe(tmp_path / "nothing.toml")


def test_settings_of_certificates_stand_beside_images(tmp_path):
    text = '[certification]\nimages = 3\nmethod = "anytime"\nn = 500\ngain = "0.10"\n'
    asked = read_recipe(written(tmp_path, GOOD + text)).certification
    assert asked.images == 3
    assert asked.settings == Settings(method="anytime", n=500, gain="0.1")


def test_a_network_without_noise_can_be_certified_with_noise(tmp_path):
    text = GOOD.replace("sigma = 64", "sigma = 0") + "[certification]\nsigma = 32\n"
    recipe = read_recipe(written(tmp_path, text))
    assert (recipe.noise, recipe.defence.sigma) == (32, 0)
    assert read_recipe(written(tmp_path, GOOD)).noise == 64


@pytest.mark.parametrize(
    "text",
    [".".join(["a"] * 50_000) + "=1", '"\u2028".' * 2000 + "a=1", "# long\n" * 5000, "#" * 5000],
)
def test_a_recipe_that_would_keep_the_parser_busy_never_reaches_it(tmp_path, text, monkeypatch):
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(tomllib, "loads", lambda text: pytest.fail("it was parsed"))
    with pytest.raises(ValueError, match="at most 32768 characters, a line of it 2000"):
        read_recipe(tmp_path / "r.toml")


def test_the_longest_recipe_is_read(tmp_path):
    """The parser's work on a dotted key is quadratic in its parts: lines are short for that."""
    assert recipe._LONGEST * recipe._LONGEST_LINE < 1e8  # 50,000 parts in one key would be 5e9
    (tmp_path / "r.toml").write_text(
        "".join(f"b{n}." + ".".join(["a"] * 990) + "=1\n" for n in range(16))
    )
    with pytest.raises(ValueError, match="unknown key 'b0'"):
        read_recipe(tmp_path / "r.toml")


def test_a_recipe_is_utf_8_in_every_locale(tmp_path):
    (tmp_path / "r.toml").write_text(GOOD + "# größer\n", encoding="utf-8")
    program = "import sys; from qrobust.training import read_recipe; read_recipe(sys.argv[1])"
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "r.toml")],
        check=True,
        env={**os.environ, **variables},
    )
