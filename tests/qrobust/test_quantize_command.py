"""``qrobust quantize``: from a float Keras network to a file, on the command line."""

import keras
import numpy as np
import pytest
from PIL import Image

from qrobust import cli
from qrobust.certify import read_spec
from tflite_export import check_parity


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1), name="picture")
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs / 255)
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(x))
    keras.Model(inputs, logits).save(folder / "float.keras")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 6, 6, 1), np.uint8)
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 3, 40))
    np.save(folder / "x.npy", x)
    return folder


def run(files, *words):
    return cli.main(["quantize", *map(str, words)])


def test_a_float_network_becomes_an_exact_file(files, tmp_path, capsys):
    out, twin = tmp_path / "m.tflite", tmp_path / "twin.keras"
    options = ("--bits", 4, "--activation-bits", 6, "--sigma", 8, "--twin", twin)
    assert run(files, files / "float.keras", files / "data.npz", out, *options) == 0
    said = capsys.readouterr().out
    assert "of 40 labels are those of the float network; right: " in said
    assert read_spec(out.read_bytes()).sigma == 8
    x = np.load(files / "x.npy").astype(np.float32)
    found = check_parity(keras.models.load_model(twin), out.read_bytes(), inputs=x)
    assert not any(found.differing.values())


def test_labels_are_counted_against_keras(files, tmp_path, capsys):
    out, twin = tmp_path / "m.tflite", tmp_path / "twin.keras"
    assert run(files, files / "float.keras", files / "x.npy", out, "--twin", twin) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    x = np.load(files / "x.npy").astype(np.float32)
    models = (keras.models.load_model(files / "float.keras"), keras.models.load_model(twin))
    labels = [m.predict(x, verbose=0).argmax(-1) for m in models]
    assert (
        line == f"{int((labels[0] == labels[1]).sum())} of 40 labels are those of the float network"
    )


def test_pictures_for_a_network_that_reads_0_to_1(files, tmp_path, capsys):
    x = np.load(files / "x.npy")
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(x):
        Image.fromarray(picture[..., 0]).save(tmp_path / "photos" / f"{number:02}.png")
    np.save(tmp_path / "real.npy", x / np.float32(256))
    inputs = keras.Input((6, 6, 1))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
    keras.Model(inputs, logits).save(tmp_path / "unit.keras")
    written = []
    for data in ("photos", "real.npy"):
        out = tmp_path / f"{data}.tflite"
        unit = ("--input-grid", "unit")
        assert run(files, tmp_path / "unit.keras", tmp_path / data, out, *unit) == 0
        assert ("divided by 256" in capsys.readouterr().out) == (data == "photos")
        written.append(out.read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("float.keras", "m.tflite", "data.npz"), "the order is MODEL.keras DATA OUT"),
        (("float.keras", "data.npz", "m.tflite", "--bits", "7"), "invalid choice"),
        (("float.keras", "data.npz", "m.tflite", "--sigma", "0.25"), "--sigma"),
        (("float.keras", "data.npz", "m.tflite", "--twin", "./float.keras"), "is MODEL itself"),
        (("float.keras", "missing.npz", "m.tflite"), "missing.npz"),
        (("data.npz", "float.keras", "m.tflite"), "data.npz"),
        (("float.keras", "data.npz", "m.tflite", "--input-grid", "unit"), "input"),
        (("float.keras", "x.npy", "m.tflite", "--input-grid", "signed"), "whole numbers, 0 to 255"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(files, words, said, capsys, monkeypatch):
    monkeypatch.chdir(files)
    try:
        status = run(files, *words)
    except SystemExit as ended:
        status = ended.code
    error = capsys.readouterr().err
    assert status == 2 and said in error
    assert len(error.strip().splitlines()) == 1
    assert not (files / "m.tflite").exists()
