"""``qrobust data``, and data of every kind on the other commands."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from qrobust import cli
from qrobust.certify import SmoothingSpec, attach_spec
from tests.qrobust.certify.tiny_models import linear

_OF_A_RUN = ("seconds", "chain")
WEIGHTS = np.random.default_rng(0).integers(-3, 4, (3, 20))
X = np.random.default_rng(1).integers(64, 192, (6, 5, 4, 1)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    for number, x in enumerate(X):
        place = tmp_path / "photos" / "abc"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[..., 0]).save(place / f"{number}.png")
    model = linear(WEIGHTS, shape=(5, 4, 1), output_shift=3)
    spec = SmoothingSpec.for_model(model, sigma=8, labels=("c", "b", "a"))
    (tmp_path / "m.tflite").write_bytes(attach_spec(model, spec))
    return tmp_path


def test_pictures_and_the_arrays_made_of_them_give_the_same_certificates(
    folder, monkeypatch, capsys
):
    monkeypatch.chdir(folder)
    assert cli.main(["data", "convert", "photos", "d.npz", "--model", "m.tflite"]) == 0
    with np.load("d.npz") as held:
        assert np.array_equal(held["x"], X[[0, 3, 1, 4, 2, 5]])
        assert held["y"].tolist() == [2, 2, 1, 1, 0, 0]
    lines = []
    for data, out in (("photos", "a.jsonl"), ("d.npz", "b.jsonl")):
        made = ["certify", "m.tflite", data, "--out", out, "--n", "100", "--n0", "10", "--trusted"]
        assert cli.main(made) == 0
        made_of = [json.loads(line) for line in (folder / out).read_text().splitlines()]
        lines.append([{k: v for k, v in line.items() if k not in _OF_A_RUN} for line in made_of])
    assert len(lines[0]) == 8 and lines[0] == lines[1]
    assert cli.main(["audit", "a.jsonl", "m.tflite", "photos"]) == 0
    capsys.readouterr()


def test_inspect_says_what_there_is_and_what_looks_wrong(folder, capsys):
    arguments = ["data", "inspect", str(folder / "photos"), "--shape", "5x4x1", "--json"]
    assert cli.main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shape"] == [5, 4, 1] and found["classes"] == {"0": 2, "1": 2, "2": 2}
    assert found["warnings"] == []
    x = np.concatenate([X, X[:1]]) / 255
    np.savez(folder / "d.npz", x=x, y=np.array([0, 1, 3, 0, 1, 3, 0]))
    assert cli.main(["data", "inspect", str(folder / "d.npz")]) == 0
    said = capsys.readouterr().out
    for warning in ("x lies in [0, 1]", "1 inputs stand more than once", "no input has label 2"):
        assert warning in said


def test_what_files_are_brought_to_has_to_be_said(folder, capsys):
    assert cli.main(["data", "inspect", str(folder / "photos")]) == 2
    assert "--model MODEL or --shape HxWxC" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["data", "inspect", str(folder / "photos"), "--shape", "5 by 4"])


REGIONS = (
    ("--family", "light:6"),
    ("--norm", "linf", "--radius", "1"),
    ("--pixel-bounds", "1", "--limit", "2"),
)


@pytest.mark.parametrize("region", REGIONS, ids=lambda words: words[0])
def test_proofs_of_pictures_are_those_of_their_arrays(folder, monkeypatch, capsys, region):
    monkeypatch.chdir(folder)
    assert cli.main(["data", "convert", "photos", "d.npz", "--model", "m.tflite"]) == 0
    proven = []
    for data, out in (("photos", "a.jsonl"), ("d.npz", "b.jsonl")):
        made = ["verify", "m.tflite", data, "--out", out, "--quiet", *region]
        assert cli.main(made) == 0
        made_of = [json.loads(line) for line in (folder / out).read_text().splitlines()]
        proven.append([{k: v for k, v in line.items() if k not in _OF_A_RUN} for line in made_of])
    assert len(proven[0]) > 2 and proven[0] == proven[1]
    for data in ("photos", "d.npz"):
        assert cli.main(["audit", "b.jsonl", "m.tflite", data, "--quiet"]) == 0
        attack = ["attack", "m.tflite", data, "--out", "r.json", "--certificates", "a.jsonl"]
        assert cli.main(attack) == 0
    other = folder / "photos" / "a" / "0.png"
    Image.fromarray(255 - np.array(Image.open(other))).save(other)
    assert cli.main(["audit", "b.jsonl", "m.tflite", "photos", "--quiet"]) != 0


def test_a_function_gives_data_where_code_is_allowed(folder, monkeypatch, capsys):
    (folder / "data_of_mine.py").write_text(
        "import numpy as np\n"
        "def load():\n    return np.arange(40).reshape(2, 5, 4, 1), [1, 0]\n"
        "def wrong():\n    return 'nothing'\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    convert = ["data", "convert", "data_of_mine:load", "d.npz"]
    assert cli.main(convert) == 2
    assert "no file 'data_of_mine:load'" in capsys.readouterr().err
    certify = ["certify", "m.tflite", "data_of_mine:load", "--out", "c.jsonl"]
    assert cli.main(certify) == 2
    assert "returns data is run with --allow-code only" in capsys.readouterr().err
    assert "data_of_mine" not in sys.modules and not (folder / "d.npz").exists()
    assert cli.main([*convert, "--allow-code"]) == 0
    with np.load("d.npz") as held:
        assert held["x"].sum() == sum(range(40)) and held["y"].tolist() == [1, 0]
    assert cli.main(["data", "inspect", "data_of_mine:wrong", "--allow-code"]) == 2
    assert "data_of_mine:wrong returned" in capsys.readouterr().err
    (folder / "a:b").write_text("a file of that name is a file\n")
    assert cli.main(["data", "inspect", "a:b", "--allow-code"]) == 2
    assert "npz" in capsys.readouterr().err


def test_data_of_one_class_are_told(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for y, told in (([1, 1], True), ([0, 1], False)):
        np.savez("d.npz", x=X[:2], y=y)
        assert cli.main(["data", "inspect", "d.npz"]) == 0
        assert ("every input has the label 1" in capsys.readouterr().out) == told


def test_what_is_converted_is_never_written_over(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    np.savez("d.npz", x=X)
    before = (folder / "d.npz").read_bytes()
    (folder / "same.npz").symlink_to("d.npz")
    for out in ("d.npz", "./d.npz", "same.npz"):
        assert cli.main(["data", "convert", "d.npz", out, "--model", "m.tflite"]) == 2
        assert "is DATA itself" in capsys.readouterr().err
    assert (folder / "d.npz").read_bytes() == before
