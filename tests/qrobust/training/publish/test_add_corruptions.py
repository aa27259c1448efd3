"""Corruptions onto a published card: of the file that was published, and nothing else changes."""

import json

import numpy as np
import pytest

from qrobust import cli, datasets
from qrobust.training.publish.card import card
from qrobust.training.publish.summary import read_summary

SECTION = "\n[corruption]\nimages = {}\n"


@pytest.fixture
def folder(tmp_path, published):
    """A copy of what was published without corruptions."""
    for path in published.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def published(tmp_path_factory, recipe_text):
    out = tmp_path_factory.mktemp("published")
    (out / "recipe.toml").write_text(recipe_text(verify={"families": ["shift:1"], "images": 3}))
    assert cli.main(["train", str(out / "recipe.toml"), "--allow-missing", "TFLM"]) == 0
    return out


def ask(folder, images):
    recipe = folder / "recipe.toml"
    text = recipe.read_text().split("\n[corruption]")[0]
    recipe.write_text(text + SECTION.format(images))
    return cli.main(["train", str(recipe), "--corruptions"])


def everything_else(folder):
    summary = json.loads((folder / "summary.json").read_text())
    summary["tables"] = [t for t in summary["tables"] if t["name"] != "corruptions"]
    keep = ("card.md", "summary.json", "recipe.toml")
    return summary, {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in keep}


def test_only_the_table_is_added_and_it_is_what_the_command_counts(folder, tmp_path, capsys):
    before = everything_else(folder)
    assert ask(folder, 8) == 0
    assert everything_else(folder) == before
    summary = read_summary(folder / "summary.json")
    assert (folder / "card.md").read_text() == card(summary)
    assert [table.name for table in summary.tables] == ["families", "corruptions"]
    test = datasets.digits().test
    np.savez(tmp_path / "d.npz", x=test.x[:8], y=test.y[:8])
    capsys.readouterr()
    paths = [str(folder / "model.tflite"), str(tmp_path / "d.npz")]
    assert cli.main(["corrupt", *paths, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    note = summary.tables[-1].note
    assert said["data_sha256"] in note  # of the eight examples
    assert "Counted by `qrobust train recipe.toml --corruptions`" in note
    found = said["corrupted"]
    counted = {(one["kind"], one["strength"]): one["right"] for one in found}
    assert counted == {
        (kind, strength): cell["count"]
        for kind, *cells in summary.tables[-1].rows
        for strength, cell in enumerate(cells, 1)
    }


def test_counting_again_takes_the_place_of_what_was_counted(folder):
    assert ask(folder, 8) == 0
    assert ask(folder, 4) == 0
    tables = read_summary(folder / "summary.json").tables
    assert [table.name for table in tables] == ["families", "corruptions"]
    assert tables[-1].rows[0][1]["of"] == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "model.tflite").write_bytes(b"another"), "of another file or network"),
        (lambda f: (f / "model.tflite").unlink(), "cannot read"),
        (lambda f: (f / "summary.json").unlink(), "cannot read"),
        (lambda f: rename(f, "another"), "of another file or network"),
    ],
)
def test_what_the_summary_is_not_about_is_refused_and_nothing_changes(
    folder, spoil, message, capsys
):
    spoil(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert ask(folder, 8) == 2
    assert message in capsys.readouterr().err
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {**after, "recipe.toml": b""} == {**before, "recipe.toml": b""}


def rename(folder, name):
    recipe = folder / "recipe.toml"
    first, rest = recipe.read_text().split("name = ", 1)
    recipe.write_text(f'{first}name = "{name}"\n' + rest.split("\n", 1)[1])


def test_a_recipe_without_the_section_says_what_to_write(folder, capsys):
    assert cli.main(["train", str(folder / "recipe.toml"), "--corruptions"]) == 2
    assert "[corruption] with images = 300" in capsys.readouterr().err
    for other in ("--resume", "--trained"):
        assert cli.main(["train", str(folder / "recipe.toml"), "--corruptions", other]) == 2
        assert "Give one." in capsys.readouterr().err
