"""A recipe runs code of others only where its user said so, and then it really does."""

import sys

import pytest

from qrobust import cli
from qrobust.certify.inputs.named_code import named_code
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Training
from qrobust.training.train import build, load_data, train

MODULE = """
from pathlib import Path
from qrobust import architectures, datasets

Path(__file__).with_name("imported").touch()
nothing = 3


def load(folder):
    return datasets.digits(1)


def net(shape, classes, width):
    return architectures.digits_cnn(shape, classes, width=width, batch_norm=False)


def wrong(*arguments, **options):
    return "nothing that fits"
"""
RECIPE = """
name = "coded"
[data]
name = "coded_module:load"
[network]
name = "coded_module:net"
options = { width = 4 }
[defence]
sigma = 30
[training]
epochs = 1
[certification]
images = 2
n = 300
n0 = 10
radii = [0]
[attack]
images = 0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "coded_module.py").write_text(MODULE)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("coded_module", None)


def coded(data="digits", network="digits_cnn"):
    return Recipe(
        "coded", Data(data), Network(network, {"width": 4}), Defence(30), Training(epochs=1)
    )


def test_without_the_option_nothing_is_imported(folder, capsys):
    assert cli.main(["train", str(folder / "recipe.toml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "--allow-code" in line
    for given in (coded(data="coded_module:load"), coded(network="coded_module:net")):
        with pytest.raises(ValueError, match="--allow-code"):
            train(given)
    assert not (folder / "imported").exists()


@pytest.mark.thorough
def test_with_it_the_recipe_trains_what_it_names(folder, capsys):
    path = str(folder / "recipe.toml")
    assert cli.main(["train", path, "--allow-code"]) == 0
    assert (folder / "imported").exists() and (folder / "model.tflite").exists()
    assert "qrobust train recipe.toml --allow-code" in (folder / "card.md").read_text()
    assert cli.main(["train", path, "--trained", "--allow-code"]) == 0
    assert "qrobust train recipe.toml --trained --allow-code" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("coded_module:gone", "has no function 'gone'"),
        ("coded_module:nothing", "has no function 'nothing'"),
        ("no_such_module:load", "cannot import 'no_such_module'"),
    ],
)
def test_a_name_of_nothing_is_refused(folder, name, says):
    with pytest.raises(ValueError, match=says):
        named_code(name, "[data] name", allow_code=True)


def test_code_that_returns_something_else_is_refused(folder):
    with pytest.raises(ValueError, match="returned no Dataset"):
        load_data(coded(data="coded_module:wrong"), None, allow_code=True)
    digits = load_data(coded(), None)
    with pytest.raises(ValueError, match="returned no model"):
        build(coded(network="coded_module:wrong"), digits, allow_code=True)


@pytest.mark.parametrize("command", ["quickstart", "inspect", "models"])
def test_commands_without_data_or_networks_of_others_do_not_have_it(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0 and "--allow-code" not in capsys.readouterr().out
