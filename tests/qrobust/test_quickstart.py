"""The quickstart on a small scale: everything it does, with fewer epochs, digits and votes."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from qrobust import cli
from qrobust.certify import read_certificates
from qrobust.quickstart.run import HERE, Recipes, quickstart
from qrobust.training.publish.card import card
from qrobust.training.publish.summary import read_summary
from qrobust.training.recipe import read_recipe

# All of it trains: the ordinary run leaves it to the thorough one.
pytestmark = pytest.mark.thorough

MODELS = Path(__file__).parents[2] / "models"
IMAGES, RADII = 10, (0, 32, 64, 96, 128, 160)


def shortened(text):
    text = re.sub(r"^images = 300$", f"images = {IMAGES}\nn = 1000\nn0 = 50", text, flags=re.M)
    return text.replace("epochs = 40", "epochs = 8").replace("consistency = 5\n", "")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("quickstart")
    shipped = Recipes.shipped()
    recipes = Recipes(shortened(shipped.defended), shortened(shipped.undefended))
    return out, quickstart(out, recipes=recipes)


def test_the_summary_holds_what_it_promises(run):
    out, summary = run
    assert json.loads((out / "summary.json").read_text()) == summary
    assert summary["clean_accuracy"] > 0.85
    assert summary["inputs_compared"] == 500
    assert set(summary["parity"].values()) == {0}
    assert summary["certified_accuracy"].keys() == summary["baseline_certified_accuracy"].keys()
    assert summary["certified"]["images"] == IMAGES
    assert summary["votes_per_second"] > 0 and summary["seconds"] > 0


@pytest.mark.parametrize(
    ("key", "folder"), [("certified_accuracy", "."), ("baseline_certified_accuracy", "undefended")]
)
def test_certified_accuracy_is_counted_from_the_journal(run, key, folder):
    out, summary = run
    found = list(read_certificates(out / folder / "certificates.jsonl"))
    assert len(found) == IMAGES
    right = [c for c in found if c.label == c.y]
    by_hand = {str(r): sum(c.radius_q16 >= r << 16 for c in right) / IMAGES for r in RADII}
    assert summary[key] == by_hand
    assert summary["certified_accuracy"]["0"] > 0


def test_everything_is_written(run):
    out, _ = run
    written = {path.name for path in out.iterdir()}
    assert written >= {
        "model.keras",
        "model.tflite",
        "certificates.jsonl",
        "card.md",
        "report.md",
        "report.html",
        "report.png",
        "votes.png",
        "data.npz",
        "recipe.toml",
    }
    assert "| LiteRT XNNPACK" in (out / "report.md").read_text()
    text = (out / "report.html").read_text()
    assert f"qrobust audit {out / 'certificates.jsonl'} --offline" in text
    assert text.count("data:image/png;base64,") > IMAGES
    assert (out / "card.md").read_text() == card(read_summary(out / "summary.json"))


def audit(out, journal="certificates.jsonl", folder="."):
    arguments = [str(out / folder / name) for name in (journal, "model.tflite")]
    return cli.main(["audit", *arguments, str(out / "data.npz"), "--quiet"])


def test_every_certificate_is_reproduced(run, capsys):
    for folder in (".", "undefended"):
        assert audit(run[0], folder=folder) == 0
        assert "10 certificates, 0 do not stand" in capsys.readouterr().out


def test_an_edited_vote_is_caught(run, capsys):
    out, _ = run
    lines = (out / "certificates.jsonl").read_text().splitlines()
    edited = json.loads(lines[4])
    edited["votes"][0] += 1
    lines[4] = json.dumps(edited)
    (out / "edited.jsonl").write_text("\n".join(lines) + "\n")
    assert audit(out, "edited.jsonl") == 1
    assert "line 5, image 3" in capsys.readouterr().out


def test_it_is_taken_up_where_it_was_interrupted(run, capsys):
    """A kill between two certificates: the others are kept, and nothing is trained again."""
    out, summary = run
    journal = out / "log" / "certificates.jsonl"
    whole = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(whole[:5]))
    (out / "model.tflite").unlink()
    assert cli.main(["quickstart", "--out", str(out), "--resume"]) == 0
    assert "taken up after 8 of 8 epochs" in capsys.readouterr().err
    again = json.loads((out / "summary.json").read_text())
    assert again["certified_accuracy"] == summary["certified_accuracy"]
    assert again["model_sha256"] == summary["model_sha256"]
    assert journal.read_text().splitlines(keepends=True)[:5] == whole[:5]
    assert cli.main(["quickstart", "--out", str(out), "--resume", "--seed", "3"]) == 2
    assert "has seed 0, which --resume keeps. Received: 3" in capsys.readouterr().err


def test_a_folder_of_the_quickstart_is_one_of_train(run):
    """`qrobust train` takes its recipe, and publishes its model again."""
    out, summary = run
    assert cli.main(["train", str(out / "undefended" / "recipe.toml"), "--trained"]) == 0
    found = read_summary(out / "undefended" / "summary.json")
    assert found.certified_accuracy == summary["baseline_certified_accuracy"]


def test_a_full_folder_is_left_alone(run, capsys):
    assert cli.main(["quickstart", "--out", str(run[0])]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["quickstart", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "file" in capsys.readouterr().err


def test_its_model_is_the_one_in_models():
    """The same recipe but for what its card alone shows, and a runtime its extras do not bring."""
    mine, theirs = (
        tomllib.loads(path.read_text())
        for path in (HERE / "defended.toml", MODELS / "digits" / "recipe.toml")
    )
    assert mine.pop("attack") == {"images": 0}
    for shown_on_the_card_alone in ("attack", "verify", "corruption"):
        theirs.pop(shown_on_the_card_alone, None)
    assert mine["parity"].pop("allow_missing") == ["TFLM"]
    assert mine == theirs


def test_the_undefended_recipe_leaves_out_the_defence_and_nothing_else():
    defended, undefended = (
        tomllib.loads((HERE / f"{name}.toml").read_text()) for name in ("defended", "undefended")
    )
    assert undefended.pop("defence") == {"sigma": 0}
    assert undefended["certification"].pop("sigma") == defended.pop("defence")["sigma"]
    assert undefended.pop("name") == f"{defended.pop('name')}_undefended"
    assert undefended == defended


def test_the_seed_goes_into_both_recipes(tmp_path):
    seeded = Recipes.shipped().seeded(7)
    for text in (seeded.defended, seeded.undefended):
        (tmp_path / "recipe.toml").write_text(text)
        assert read_recipe(tmp_path / "recipe.toml").seed == 7
