"""The commands on real files: what they print, and one clear line for bad input."""

import json
import re

import keras
import numpy as np
import pytest

import qrobust
from qrobust import architectures, cli


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    model = qrobust.quantize(architectures.digits_cnn(width=4), 3, 4)
    model.save(folder / "model.keras")
    arguments = ["export", folder / "model.keras", folder / "model.tflite", "--sigma", "40"]
    assert run(*arguments, "--c-array") == 0
    data = qrobust.datasets.digits()
    np.savez(folder / "data.npz", x=data.test.x[:20], y=data.test.y[:20])
    return folder


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_export_writes_a_c_array_of_the_same_bytes(files):
    source = (files / "model.cc").read_text()
    values = bytes(int(v, 16) for v in re.findall(r"0x([0-9a-f]{2})", source))
    assert values == (files / "model.tflite").read_bytes()
    assert f"model[{len(values)}]" in (files / "model.h").read_text()


def test_export_writes_c99_with_the_certifier(files, tmp_path, capsys):
    arguments = ["export", files / "model.keras", tmp_path / "m.tflite", "--sigma", 40]
    assert run(*arguments, "--table", 200, "--c99", tmp_path / "firmware") == 0
    written = {path.name for path in (tmp_path / "firmware").iterdir()}
    assert {"model.c", "model.h", "qrobust_certify.c", "certifier_tables.h"} <= written
    capsys.readouterr()
    assert run("inspect", tmp_path / "m.tflite") == 0
    assert "n = 200" in capsys.readouterr().out


def test_a_table_needs_sigma(files, tmp_path, capsys):
    arguments = ["export", files / "model.keras", tmp_path / "m.tflite", "--table", 200]
    assert run(*arguments) == 2
    assert "--sigma" in capsys.readouterr().err


def test_inspect_shows_layers_and_the_spec(files, capsys):
    assert run("inspect", files / "model.tflite") == 0
    out = capsys.readouterr().out
    assert "CONV_2D" in out and "fully integer" in out
    assert "sigma 40" in out


def test_parity_is_exact_and_json_says_so(files, capsys):
    assert run("parity", files / "model.keras", files / "model.tflite", "--json") == 0
    parity = json.loads(capsys.readouterr().out)
    assert parity["inputs"] == 200
    assert set(parity["differing"].values()) == {0}
    data = ["--data", files / "data.npz"]
    assert run("parity", files / "model.keras", files / "model.tflite", *data) == 0


def test_parity_fails_for_another_model(files, tmp_path):
    keras.utils.set_random_seed(1)
    qrobust.quantize(architectures.digits_cnn(width=4), 3, 4).save(tmp_path / "other.keras")
    assert run("parity", tmp_path / "other.keras", files / "model.tflite") == 1


def test_certify_then_audit(files, tmp_path):
    certificates = tmp_path / "c.jsonl"
    shared = [files / "model.tflite", files / "data.npz"]
    assert run("certify", *shared, "--out", certificates, "--n", 500, "--quiet") == 0
    assert run("audit", certificates, *shared, "--quiet") == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "missing.keras", "out.tflite"], "missing.keras"),
        (["export", "{files}/data.npz", "out.tflite"], "no Keras model"),
        (["export", "{files}/model.keras", "{files}/no/such/folder.tflite"], "folder.tflite"),
        (["inspect", "{files}/data.npz"], "TFL3"),
        (["inspect", "missing.tflite"], "missing.tflite"),
        (["parity", "{files}/model.keras", "{files}/data.npz"], "TFL3"),
        (["parity", "{files}/model.keras", "{files}/model.tflite", "--inputs", "0"], "at least 1"),
        (["certify", "{files}/model.tflite", "missing.npz", "--out", "c.jsonl"], "missing.npz"),
    ],
)
def test_bad_input_gets_one_line(files, arguments, says, capsys):
    assert run(*(a.format(files=files) for a in arguments)) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert says in error[-1]
    assert error[-1].startswith("error: ")


def test_damaged_files_end_in_words_not_in_a_crash(files, tmp_path, capsys):
    """Random damage to the file, given to ``inspect`` here and to the probe before ``parity``."""
    content = (files / "model.tflite").read_bytes()
    rng = np.random.default_rng(0)
    statuses = set()
    for _ in range(300):
        damaged = bytearray(content[: rng.integers(8, len(content))])
        for position in rng.integers(0, len(damaged), 10):
            damaged[position] = rng.integers(256)
        (tmp_path / "damaged.tflite").write_bytes(damaged)
        statuses.add(run("inspect", tmp_path / "damaged.tflite"))
    assert statuses <= {0, 2} and 2 in statuses
    assert run("parity", files / "model.keras", tmp_path / "damaged.tflite") == 2
