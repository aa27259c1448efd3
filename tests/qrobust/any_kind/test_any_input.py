"""Data of every kind, networks of every kind, on every command: the same answers as their arrays.

What a command makes of arrays is tested with the command; here every other kind of data has to give
what its arrays give, and every kind of network what its ``.tflite`` gives.
"""

import json

import numpy as np
import pytest
from own_inputs import (
    CLASSES,
    CLIPS,
    FAMILY,
    NAMES,
    PICTURES,
    SORTED,
    features,
    journal,
    run,
)

from qrobust import cli
from qrobust.audio import fit_clip

#: data -> network, the inputs in their order, whether they have classes.
KINDS = {
    "pictures.npz": ("pictures", [0, 1, 2, 3], True),
    "pictures.npy": ("pictures", [0, 1, 2, 3], False),
    "pictures/2.png": ("pictures", [2], False),
    "pictures": ("pictures", [0, 1, 2, 3], False),
    "pictures_classes": ("pictures", SORTED, True),
    "pictures.csv": ("pictures", [0, 1, 2, 3], True),
    "inputs_of_mine:pictures": ("pictures", [0, 1, 2, 3], True),
    "sounds/1.wav": ("sounds", [1], False),
    "sounds": ("sounds", [0, 1, 2, 3], False),
    "sounds_classes": ("sounds", SORTED, True),
    "sounds.csv": ("sounds", [0, 1, 2, 3], True),
}


def arrays(kind):
    """What the data of a kind are, written down once more."""
    network, order, labelled = KINDS[kind]
    x = PICTURES if network == "pictures" else features()
    return x[order], np.array(CLASSES)[order] if labelled else None


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """A kind of data, and its arrays as ``out/arrays.npz``."""
    x, y = arrays(request.param)
    np.savez(tmp_path / "arrays.npz", x=x, **({} if y is None else {"y": y}))
    return request.param


def given(kind):
    """The data, with what they need on the command line."""
    return [kind, *(["--allow-code"] if ":" in kind else [])]


@pytest.fixture(scope="module")
def known():
    """What a command makes of arrays: it is asked once for all kinds that are the same arrays."""
    return {}


def both(answer, command, kind, tmp_path, known):
    """What a command makes of the data, and what of the arrays that they are."""
    network, order, labelled = KINDS[kind]
    same = (command, network, tuple(order), labelled)
    if same not in known:
        known[same] = answer([tmp_path / "arrays.npz"], tmp_path / "arrays")
    return answer(given(kind), tmp_path / "given"), known[same]


@pytest.mark.ordinary(3)
def test_certify_audit_and_report(kind, tmp_path, known, capsys):
    model, path = f"{KINDS[kind][0]}.tflite", tmp_path / "given.jsonl"

    def certify(data, out):
        words = ("--n", 60, "--n0", 10, "--quiet", "--trusted", "--out", out.with_suffix(".jsonl"))
        run("certify", model, *data, *words)
        return journal(out.with_suffix(".jsonl"))

    found, wanted = both(certify, "certify", kind, tmp_path, known)
    assert len(found) == len(KINDS[kind][1]) + 2 and found == wanted
    data = given(kind)
    run("audit", path, model, *data, "--quiet")
    if kind in ("pictures_classes", "sounds.csv"):  # the page is drawn of arrays: two will do
        words = ("--model", model, "--data", *data, "--images", 0)
        run("report", path, "--out", tmp_path / "report", *words)
    capsys.readouterr()


@pytest.mark.ordinary(6)
def test_verify(kind, tmp_path, known, capsys):
    network = KINDS[kind][0]

    def verify(data, out):
        words = ("--family", FAMILY[network], "--quiet", "--out", out.with_suffix(".jsonl"))
        run("verify", f"{network}.tflite", *data, *words)
        return journal(out.with_suffix(".jsonl"))

    found, wanted = both(verify, "verify", kind, tmp_path, known)
    assert len(found) == len(KINDS[kind][1]) + 2 and found == wanted
    capsys.readouterr()


@pytest.mark.ordinary(2)
def test_attack(kind, tmp_path, known, capsys):
    network, order, labelled = KINDS[kind]
    # A name of the file's classes where the data have none.
    label = [] if labelled else ["--label", NAMES[CLASSES[order[0]]]]

    def attack(data, out):
        words = ("--norm", "l0", "--epsilon", 1, "--images", 1, "--trusted")
        run("attack", f"{network}.tflite", *data, "--out", out.with_suffix(".json"), *words, *label)
        found = json.loads(out.with_suffix(".json").read_text())
        (only,) = found["attacks"]
        del only["seconds"]
        return found

    found, wanted = both(attack, "attack", kind, tmp_path, known)
    assert found == wanted
    if not labelled:
        data = given(kind)
        words = ["attack", f"{network}.tflite", *data, "--out", str(tmp_path / "a.json")]
        assert cli.main(words) == 2
        assert "or --label CLASS of all" in capsys.readouterr().err
    capsys.readouterr()


def test_corrupt(kind, tmp_path, capsys):
    network, order, labelled = KINDS[kind]
    label = [] if labelled else ["--label", "1"]
    clips = np.stack([fit_clip(clip) for clip in CLIPS])[order]
    x = arrays(kind)[0] if network == "pictures" else clips
    y = np.array(CLASSES)[order] if labelled else np.ones(len(x), int)
    np.savez(tmp_path / "arrays.npz", x=x, y=y)
    some = ("--kinds", "contrast") if network == "pictures" else ("--kinds", "gain")
    found = []
    for data, words in ((given(kind), label), ([tmp_path / "arrays.npz"], [])):
        run("corrupt", f"{network}.tflite", *data, *words, *some, "--json", "--trusted")
        found.append(json.loads(capsys.readouterr().out))
    del found[0]["data_sha256"], found[1]["data_sha256"]
    assert found[0] == found[1] and found[0]["images"] == len(order)


def test_data_inspect_and_convert(kind, tmp_path, capsys):
    data = given(kind)
    model = ("--model", f"{KINDS[kind][0]}.tflite")
    run("data", "convert", data[0], tmp_path / "made.npz", *model, *data[1:])
    x, y = arrays(kind)
    with np.load(tmp_path / "made.npz") as held:
        np.testing.assert_array_equal(held["x"], x)
        assert (held["y"].tolist() if "y" in held else None) == (None if y is None else y.tolist())
    capsys.readouterr()
    run("data", "inspect", *data, *model, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["inputs"], found["shape"]) == (len(x), list(x.shape[1:]))


def test_labels_that_nobody_knows(capsys):
    words = ["corrupt", "pictures.tflite", "pictures.npy", "--label"]
    assert cli.main([*words, "owl"]) == 2
    assert "knows cat, dog" in capsys.readouterr().err
    assert cli.main(["corrupt", "pictures.tflite", "pictures.npz", "--label", "cat"]) == 2
    assert "holds classes: leave out --label" in capsys.readouterr().err


def test_labels_beyond_the_classes_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "d.npz", x=PICTURES, y=[0, 1, 2, 0])
    for words in (["corrupt"], ["verify", "--family", "light:1", "--out", str(tmp_path / "p")]):
        assert cli.main([words[0], "pictures.tflite", str(tmp_path / "d.npz"), *words[1:]]) == 2
        assert "image 2 has y=2; the model has classes 0 to 1" in capsys.readouterr().err


SWAPPED = {
    "certify": ["pictures", "pictures.tflite", "--out", "c.jsonl"],
    "corrupt": ["pictures.tflite", "pictures.tflite"],
    "attack": ["pictures.npz", "pictures.tflite", "--out", "a.json"],
}


@pytest.mark.parametrize("command", SWAPPED)
def test_swapped_arguments_are_called_so(command, capsys):
    assert cli.main([command, *SWAPPED[command]]) == 2
    assert "the model comes first, then the data" in capsys.readouterr().err


BELOW_ONE = {
    "export": ["pictures.keras", "m.tflite", "--sigma", "0.25"],
    "attack": ["pictures.keras", "pictures.npz", "--out", "a.json", "--smooth", "0.25"],
    "web": ["page", "--model", "pictures.tflite", "--sigma", "0.25"],
    "bundle": ["pictures.tflite", "--out", "m.bundle", "--learn", "pictures.npz", "--sigma", ".25"],
    "certify": ["pictures.keras", "pictures.npz", "--out", "c.jsonl", "--sigma", "0.25"],
}


@pytest.mark.parametrize("command", BELOW_ONE)
def test_noise_below_one_step_is_refused(command, place, capsys):
    before = set(place.rglob("*"))
    assert cli.main([command, *BELOW_ONE[command]]) == 2
    assert "is less than one; on the [0, 1] scale" in capsys.readouterr().err
    assert set(place.rglob("*")) == before
