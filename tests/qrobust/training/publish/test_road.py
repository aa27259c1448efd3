"""The road from a recipe to a folder, on the smallest network there is."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qrobust import cli, datasets
from qrobust.certify import read_certificates
from qrobust.training.publish.card import card
from qrobust.training.publish.road import why_not_certified
from qrobust.training.publish.summary import read_summary
from qrobust.training.recipe import read_recipe
from tflite_export import runtimes

MODELS = Path(__file__).resolve().parents[4] / "models"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, recipe_text):
    out = tmp_path_factory.mktemp("published")
    certification = {"images": 4, "sigma": 20, "n": 200, "n0": 10, "radii": [0, 10]}
    verify = {"families": ["light:3", "shift:1"], "images": 6}
    (out / "recipe.toml").write_text(recipe_text(certification=certification, verify=verify))
    assert cli.main(["train", str(out / "recipe.toml")]) == 0
    return out


def test_the_card_is_rendered_from_the_summary(folder):
    summary = read_summary(folder / "summary.json")
    assert (folder / "card.md").read_text() == card(summary)
    content = (folder / "model.tflite").read_bytes()
    assert (summary.file.bytes, summary.file.sha256) == (
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    # One size for one file, in the card's table and in that of the layers.
    assert (folder / "card.md").read_text().count(f"{len(content):,} bytes") == 2


def test_certified_accuracy_is_that_of_the_journal_counted_by_hand(folder):
    found = list(read_certificates(folder / "certificates.jsonl"))
    assert [c.index for c in found] == [0, 1, 2, 3] and {c.sigma for c in found} == {"20"}
    by_hand = {str(r): sum(c.label == c.y and c.radius >= r for c in found) / 4 for r in (0, 10)}
    assert json.loads((folder / "summary.json").read_text())["certified_accuracy"] == by_hand


def test_proofs_of_the_card_are_those_of_the_command(folder, tmp_path, capsys):
    (table,) = read_summary(folder / "summary.json").tables
    assert [row[0] for row in table.rows] == ["light:3", "shift:1:border=edge"]
    test = datasets.digits().test
    np.savez(tmp_path / "d.npz", x=test.x[:6], y=test.y[:6])
    files = [str(folder / "model.tflite"), str(tmp_path / "d.npz")]
    for row in table.rows:
        options = ["--out", str(tmp_path / row[0].replace(":", "_")), "--json"]
        capsys.readouterr()
        assert cli.main(["verify", *files, "--family", row[0], *options, "--quiet"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert row[1] == {"count": found["clean"], "of": 6}
        assert row[2] == {"count": found["certain"], "of": 6}
        assert row[3:] == (found["refuted"], found["unknown"], found["inferences"])
    text = (folder / "card.md").read_text()
    assert "## Families of changes" in text and "shift:1:border=edge" in text


def test_a_published_folder_can_be_audited(folder, capsys):
    paths = [folder / "certificates.jsonl", folder / "model.tflite", folder / "log" / "data.npz"]
    assert cli.main(["audit", *map(str, paths), "--quiet"]) == 0
    assert "0 do not stand" in capsys.readouterr().out


def test_a_trained_model_is_published_again_without_training(folder, tmp_path):
    before = (folder / "model.tflite").read_bytes()
    (folder / "card.md").unlink()
    assert cli.main(["train", str(folder / "recipe.toml"), "--trained"]) == 0
    assert (folder / "model.tflite").read_bytes() == before
    assert "`qrobust train recipe.toml --trained`" in (folder / "card.md").read_text()
    arguments = ["train", str(folder / "recipe.toml"), "--trained", "--resume"]
    assert cli.main(arguments) == 2


def test_without_a_runtime_nothing_is_published(folder, tmp_path, monkeypatch, capsys):
    find = runtimes.find_spec
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None if "micro" in name else find(name))
    (tmp_path / "recipe.toml").write_bytes((folder / "recipe.toml").read_bytes())
    arguments = ["train", str(tmp_path / "recipe.toml")]
    assert cli.main(arguments) == 2
    assert "TFLM cannot be compared (tflite_micro is not installed)" in capsys.readouterr().err
    # Refused before the training, not after it.
    assert {p.name for p in tmp_path.iterdir()} == {"recipe.toml"}
    (tmp_path / "model.keras").write_bytes((folder / "model.keras").read_bytes())
    assert cli.main([*arguments, "--trained", "--allow-missing", "TFLM"]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["parity_skipped"] == {"TFLM": "tflite_micro is not installed"}
    assert "TFLM" not in summary["parity"]
    with np.load(tmp_path / "log" / "data.npz") as data:
        assert len(data["x"]) == 4


def test_the_shipped_cards_are_those_of_their_summaries_and_recipes():
    paths = sorted(MODELS.rglob("summary.json"))
    assert len(paths) > 20
    for path in paths:
        folder, summary = path.parent, read_summary(path)
        own = folder / "recipe.toml"
        recipe = read_recipe(own if own.is_file() else folder.with_suffix(".toml"))
        assert (folder / "card.md").read_text() == card(summary), folder
        assert summary.notes == recipe.notes, folder
        why_not = "" if summary.certified else why_not_certified(recipe)
        assert summary.why_not_certified == why_not, folder


def test_a_card_says_which_noise_its_network_heard():
    recipe = read_recipe(MODELS / "kws_sound_w4a8" / "recipe.toml")
    assert "noise on the sound, sigma 2/128 of full scale" in why_not_certified(recipe)
    assert why_not_certified(replace(recipe, defence=replace(recipe.defence, sigma=8))) == "none asked for"
    plain = replace(recipe, data=replace(recipe.data, sound_noise=0))
    assert why_not_certified(plain) == "none: trained without noise"
