"""``qrobust corrupt`` on a shipped file, in its own process."""

import json
from pathlib import Path

import numpy as np
import pytest

from qrobust import cli, datasets
from qrobust.attacks import TFLiteTarget
from qrobust.corruptions import KINDS, corrupt
from qrobust.corruptions.of_file import kinds_of, labels_of

MODELS = Path(__file__).parents[3] / "models"
FILE = MODELS / "digits" / "model.tflite"
WORDS = MODELS / "kws_dscnn_w4a8" / "model.tflite"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    test = datasets.digits().test
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, x=test.x[:60], y=test.y[:60])
    return path, test.x[:60], test.y[:60]


def test_counts_are_the_files_own(digits, capsys):
    path, x, y = digits
    options = ["--kinds", "fog", "gaussian_noise", "--seed", "4", "--json", "--quiet"]
    assert cli.main(["corrupt", str(FILE), str(path), *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["images"], said["seed"], len(said["corrupted"])) == (60, 4, 10)
    target = TFLiteTarget(FILE, trusted=True)
    try:
        assert said["clean"] == (target.logits(x).argmax(axis=1) == y).sum()
        for one in said["corrupted"]:
            made = corrupt(x, one["kind"], one["strength"], seed=4)
            assert one["right"] == (target.logits(made).argmax(axis=1) == y).sum()
            assert one["of"] == 60 and one["interval"][0] <= one["accuracy"] <= one["interval"][1]
    finally:
        target.close()


def test_a_table_for_people(digits, capsys):
    assert cli.main(["corrupt", str(FILE), str(digits[0]), "--images", "20", "--quiet"]) == 0
    text = capsys.readouterr().out
    assert "20 inputs, clean" in text and "mean over kinds and strengths" in text
    assert all(kind in text for kind in ("jpeg", "bit_depth", "contrast"))


def test_sound_goes_through_its_features(tmp_path, capsys):
    rng = np.random.default_rng(0)
    sounds = (rng.normal(0, 2000, (6, 16000)) * np.hanning(16000)).astype(np.int16)
    np.savez(tmp_path / "s.npz", x=sounds, y=np.arange(6))
    assert cli.main(["corrupt", str(WORDS), str(tmp_path / "s.npz"), "--json", "--quiet"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {one["kind"] for one in said["corrupted"]} == {"background", "time_shift", "gain"}


@pytest.mark.parametrize(
    ("x", "model", "options", "word"),
    [
        (np.zeros((2, 8, 8, 1), np.uint8), FILE, ["--kinds", "gain"], "--kinds are of"),
        (np.zeros((2, 8, 8, 1), np.uint8), FILE, ["--images", "0"], "--images"),
        (np.zeros((2, 8, 8, 1), np.uint8), FILE, ["--seed", "-1"], "--seed"),
        (np.full((2, 8, 8, 1), 256), FILE, [], "0 to 255"),
        (np.zeros((2, 8, 8, 1), np.float32), FILE, [], "integers"),
        (np.zeros((2, 9, 8, 1), np.uint8), FILE, [], "for a file of"),
        (np.zeros((2, 49, 10, 1), np.int8), WORDS, [], "give the sound itself"),
        (np.zeros((2, 8, 8, 1), np.uint8), FILE, ["--kinds", "blur", "blur"], "each once"),
    ],
)
def test_bad_input_is_one_line(x, model, options, word, tmp_path, capsys):
    np.savez(tmp_path / "d.npz", x=x, y=np.zeros(len(x), np.int64))
    status = cli.main(["corrupt", str(model), str(tmp_path / "d.npz"), *options, "--quiet"])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert status == 2 and word in line


def test_labels_are_needed(tmp_path, capsys):
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 8, 8, 1), np.uint8))
    assert cli.main(["corrupt", str(FILE), str(tmp_path / "d.npz")]) == 2
    assert "holds no y" in capsys.readouterr().err


def test_a_jpeg_without_pillow_is_left_out_and_named(digits, capsys, monkeypatch):
    monkeypatch.setattr("qrobust.corruptions.of_file.available", lambda kind: kind != "jpeg")
    options = ["--images", "4", "--json", "--quiet"]
    assert cli.main(["corrupt", str(FILE), str(digits[0]), *options]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["left_out"] == {"jpeg": "Pillow is not installed"}
    assert "jpeg left out" in said.err


def test_kinds_follow_from_inputs_and_file():
    from qrobust.certify.file.model_file import load_model

    file = load_model(FILE, trusted=True)
    assert len(kinds_of(np.zeros((1, 8, 8, 1), np.int64), file)) == 8 < len(KINDS)
    assert len(labels_of(file)(np.zeros((3, 8, 8, 1), np.uint8))) == 3
