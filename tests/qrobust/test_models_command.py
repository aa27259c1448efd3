"""``qrobust models``: a list, a copy, and one clear line for what is not there."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qrobust import cli
from qrobust.certify import Certifier
from qrobust.commands import models
from qrobust.training.recipe import read_recipe

ROOT = Path(__file__).parents[2]


def run(*words):
    return cli.main(["models", *map(str, words)])


def test_the_list_says_name_network_size_and_accuracy(capsys):
    assert run() == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    for word in ("digits_cnn 4/4", "97.6%", "90.3% at 64 LSB (L2)", "20,496", "2 recipes"):
        assert word in rows["digits"]
    assert "80.6% at 128 LSB (L1)" in rows["digits_splits"]
    assert "pixel" in rows["digits_bands"] and "4 recipes" in rows["svhn_stq"]


def test_the_list_needs_no_keras():
    code = "import sys; from qrobust import cli; cli.main(['models']); "
    code += "print(*({'keras', 'tensorflow'} & set(sys.modules)))"
    words = [sys.executable, "-c", code]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.endswith("\n\n")


def test_a_copy_can_be_read_certified_and_trained(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert run("digits", folder) == 0
    printed = capsys.readouterr()
    assert str(folder / "model.tflite") in printed.out and printed.err == ""
    for path in models.models_folder().joinpath("digits").glob("*.t*"):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert read_recipe(folder / "recipe.toml").data.name == "digits"
    with Certifier(folder / "model.tflite", seed=1) as certifier:
        x = np.zeros((8, 8, 1), np.int64)
        assert certifier.votes(x, 50).sum() == 50


def test_a_network_that_is_not_there_is_named(tmp_path, capsys, monkeypatch):
    """As in a wheel, which has no large files."""
    root = tmp_path / "models"
    shutil.copytree(ROOT / "models/cifar10_resnet20_w4a4", root / "cifar10_resnet20_w4a4")
    shutil.rmtree(root / "cifar10_resnet20_w4a4/float")
    monkeypatch.setattr(models, "models_folder", lambda: root)
    assert run("cifar10_resnet20_w4a4", tmp_path / "copy") == 0
    assert "float/model.keras: too large for the wheel" in capsys.readouterr().err


def test_a_member_that_is_not_there_is_named(tmp_path, capsys, monkeypatch):
    root = tmp_path / "models"
    shutil.copytree(ROOT / "models/digits_ensemble", root / "digits_ensemble")
    (root / "digits_ensemble/seed1/model.keras").unlink()
    monkeypatch.setattr(models, "models_folder", lambda: root)
    assert run("digits_ensemble", tmp_path / "copy") == 0
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'copy'}/seed1/model.keras: too large")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("digit", "new"), "no model is called 'digit'. There are"),
        (("../qrobust", "new"), "no model is called"),
        (("digits",), "say where to"),
        (("digits", "."), "is there already"),
    ],
)
def test_what_cannot_be_done_is_said(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == []


def test_no_models_anywhere_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(models, "_PACKAGE", tmp_path / "qrobust")
    assert run() == 2
    assert "no models beside" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--version"], ["--help"]])
def test_python_m_qrobust_is_the_command(words):
    from qrobust import __version__

    done = subprocess.run(
        [sys.executable, "-m", "qrobust", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"qrobust {__version__}\n" if words == ["--version"] else "usage")
