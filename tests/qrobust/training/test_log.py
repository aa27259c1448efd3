"""Logs of trainings: taken up by their own recipe only, never lost by accident."""

import json
from dataclasses import replace

import keras
import pytest

from qrobust import cli
from qrobust.certify import Settings
from qrobust.training.log import begin, finish
from qrobust.training.recipe import Certification, Recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training
from qrobust.training.train import train

RECIPE = Recipe(
    name="small",
    data=Data("digits"),
    network=Network("digits_cnn", {"width": 4, "batch_norm": False}),
    defence=Defence(sigma=30),
    training=Training(epochs=1, batch_size=256),
)


def test_another_recipe_cannot_take_up_a_log(tmp_path):
    begin(tmp_path, RECIPE, resume=False)
    begin(tmp_path, replace(RECIPE, notes="tried", certification=Certification(1)), resume=True)
    other = replace(RECIPE, quantization=Quantization(3, 3))
    with pytest.raises(ValueError, match="log of another recipe: its .quantization."):
        begin(tmp_path, other, resume=True)


def test_a_log_of_before_a_key_came_is_taken_up_where_the_recipe_leaves_it_out(tmp_path):
    begin(tmp_path, RECIPE, resume=False)
    path = tmp_path / "training.json"
    state = json.loads(path.read_text())
    del state["recipe"]["defence"]["ibp"], state["recipe"]["training"]["watch"]
    path.write_text(json.dumps(state))
    begin(tmp_path, RECIPE, resume=True)
    path.write_text(json.dumps(state))
    with pytest.raises(ValueError, match="log of another recipe: its .defence."):
        begin(tmp_path, replace(RECIPE, defence=Defence(sigma=30, ibp=3)), resume=True)


def test_certificates_of_a_log_from_before_deadlines_are_kept(tmp_path):
    begin(tmp_path, RECIPE, resume=False)
    state = json.loads((tmp_path / "training.json").read_text())
    state["certification"]["settings"] = {
        "method": "clopper_pearson",
        "n0": 100,
        "n": 10_000,
        "alpha": "0.001",
        "radius": None,
        "gain": None,
    }
    (tmp_path / "training.json").write_text(json.dumps(state))
    (tmp_path / "certificates.jsonl").write_text("of 10,000 samples")
    begin(tmp_path, RECIPE, resume=True)
    assert (tmp_path / "certificates.jsonl").exists()


def test_other_samples_make_old_certificates_useless(tmp_path):
    begin(tmp_path, RECIPE, resume=False)
    (tmp_path / "certificates.jsonl").write_text("of 10,000 samples")
    begin(tmp_path, replace(RECIPE, notes="tried"), resume=True)
    assert (tmp_path / "certificates.jsonl").exists()
    begin(
        tmp_path,
        replace(RECIPE, certification=Certification(settings=Settings(n=500))),
        resume=True,
    )
    assert not (tmp_path / "certificates.jsonl").exists()


def test_only_a_finished_training_makes_room(tmp_path):
    begin(tmp_path, RECIPE, resume=False)
    (tmp_path / "float_checkpoint.keras").write_text("hours of work")
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match="holds an unfinished training, which is not resumed"):
        begin(tmp_path, RECIPE, resume=False)
    assert (tmp_path / "float_checkpoint.keras").exists()
    finish(tmp_path)
    begin(tmp_path, RECIPE, resume=False)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", "training.json"}


def test_checkpoints_of_nobody_knows_what_are_refused(tmp_path):
    (tmp_path / "float.keras").write_text("?")
    for resume in (False, True):
        with pytest.raises(ValueError, match="has no training.json"):
            begin(tmp_path, RECIPE, resume=resume)


@pytest.mark.thorough
def test_a_loss_that_is_no_number_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    """The second epoch's loss is infinite: the checkpoint stays that of the first."""
    end = keras.callbacks.CallbackList.on_epoch_end

    def broken(self, epoch, logs=None):
        end(self, epoch, {**(logs or {}), **({"loss": float("nan")} if epoch else {})})

    recipe = replace(RECIPE, training=Training(epochs=2, batch_size=256))
    train(replace(RECIPE, training=recipe.training), log=tmp_path / "whole")
    monkeypatch.setattr(keras.callbacks.CallbackList, "on_epoch_end", broken)
    with pytest.raises(ValueError, match="became nan in epoch 2"):
        train(recipe, log=tmp_path / "broken")
    steps = 1437 // 256
    kept = keras.models.load_model(tmp_path / "broken" / "quantized_checkpoint.keras")
    assert int(kept.optimizer.iterations) == steps
    whole = keras.models.load_model(tmp_path / "whole" / "quantized_checkpoint.keras")
    assert int(whole.optimizer.iterations) == 2 * steps


@pytest.mark.parametrize(
    ("quantization", "says"),
    [
        (Quantization({"nowhere": 3, "*": 4}), "nowhere"),
        (Quantization(9), "9"),
        (Quantization(4, 4, {"0": 8, "5": 11}), "11"),
    ],
)
def test_bits_that_no_layer_takes_are_refused_before_the_float_phase(quantization, says, tmp_path):
    recipe = replace(RECIPE, quantization=quantization, training=Training(1, float_epochs=1))
    with pytest.raises(ValueError, match=says):
        train(recipe, log=tmp_path)
    assert not (tmp_path / "float.csv").exists()


@pytest.mark.thorough
def test_twins_get_folders_of_their_own(tmp_path, capsys, recipe_text):
    for name, bits in (("recipe", 4), ("float", "float")):
        text = recipe_text(quantization={"weight_bits": bits})
        (tmp_path / f"{name}.toml").write_text(text)
        assert cli.main(["train", str(tmp_path / f"{name}.toml")]) == 0
    assert {"model.keras", "model.tflite", "card.md"} <= {p.name for p in tmp_path.iterdir()}
    assert {p.name for p in (tmp_path / "float").iterdir()} == {
        "model.keras",
        "card.md",
        "summary.json",
        "log",
    }
    card = (tmp_path / "float" / "card.md").read_text()
    assert "`qrobust train float.toml`" in card and "No certificates." in card
    # A finished training gives way to the next one.
    assert cli.main(["train", str(tmp_path / "float.toml")]) == 0


def test_ctrl_c_keeps_the_models_folder_as_it_was(tmp_path, capsys, monkeypatch, recipe_text):
    (tmp_path / "recipe.toml").write_text(recipe_text(quantization={"weight_bits": 4}))
    (tmp_path / "card.md").write_text("of last year")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tflite_export.check_parity", interrupted)
        assert cli.main(["train", str(tmp_path / "recipe.toml")]) == 130
    assert "--resume takes it up" in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"recipe.toml", "card.md", "log"}
    assert (tmp_path / "card.md").read_text() == "of last year"
    assert cli.main(["train", str(tmp_path / "recipe.toml"), "--resume"]) == 0
    assert "taken up after 1 of 1 epochs" in capsys.readouterr().err
