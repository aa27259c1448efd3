"""Keras networks, and functions that return them, answer on every command as their ``.tflite``."""

import json
import sys

import pytest
from own_inputs import FAMILY, journal, run

from qrobust import cli


@pytest.fixture(scope="module")
def networks(place):
    """A quantized network of pictures, one of features of sound, and what they export to."""
    import keras

    import qrobust
    from qrobust import layers

    keras.utils.set_random_seed(3)
    for name, shape, noise in (
        ("pictures", (5, 4, 1), layers.GridNoise(8)),
        ("sounds", (49, 10, 1), layers.GridNoise(4, exponent=-1, minimum=-128, maximum=127)),
    ):
        flat = [keras.layers.Flatten(), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input(shape), noise, *flat])
        qrobust.quantize(model, weight_bits=4, activation_bits=4).save(place / f"{name}.keras")
        sigma = "8" if name == "pictures" else "4"
        tflite = place / f"{name}_exported.tflite"
        run("export", place / f"{name}.keras", tflite, "--sigma", sigma)
    return place


# The function returns the model of pictures.keras.
NETWORKS = {
    "inputs_of_mine:network": ("inputs_of_mine:pictures", "pictures_exported.tflite"),
    "sounds.keras": ("sounds_classes", "sounds_exported.tflite"),
}


@pytest.fixture(params=NETWORKS)
def network(request, networks):
    """A network and its data, and the file that it exports to."""
    data, tflite = NETWORKS[request.param]
    return request.param, data, tflite


def code(*names):
    return ["--allow-code"] if any(":" in name for name in names) else []


@pytest.mark.ordinary(1)
def test_networks_are_exported_first(network, tmp_path, capsys):
    name, data, tflite = network
    family = ("--family", FAMILY[data.split("_")[0].replace("inputs", "pictures")])
    for command, words in (
        ("certify", ("--n", 60, "--n0", 10, "--quiet")),
        ("verify", ("--quiet", *family)),
    ):
        found = []
        for model in (name, tflite):
            path = tmp_path / command / f"{'file' if model == tflite else 'keras'}.jsonl"
            path.parent.mkdir(exist_ok=True)
            run(command, model, data, *words, "--out", path, *code(model, data))
            found.append(journal(path))
        said = capsys.readouterr().err
        assert found[0] == found[1] and f"{name} exported to" in said
        kept = tmp_path / command / "keras.tflite"
        with open(tflite, "rb") as file:
            assert kept.read_bytes() == file.read()
        audit = ("audit", kept.with_suffix(".jsonl"), kept, data, "--quiet", *code(data))
        run(*audit)
    kept.write_bytes(b"another file")
    words = [command, name, data, *words, "--out", kept.with_suffix(".jsonl"), *code(name, data)]
    assert cli.main([str(word) for word in words]) == 2
    assert "is there and is not what" in capsys.readouterr().err
    assert kept.read_bytes() == b"another file"


@pytest.mark.ordinary(1)
def test_corruptions_of_networks(network, tmp_path, capsys):
    name, data, tflite = network
    found = []
    for model in (name, tflite):
        run("corrupt", model, data, "--json", *code(model, data))
        found.append(json.loads(capsys.readouterr().out))
    assert found[0].pop("model") == name and found[1].pop("model") == tflite
    assert found[0] == found[1]


@pytest.mark.thorough
def test_export_parity_attack_and_inspect_of_networks(network, tmp_path, capsys):
    name, data, tflite = network
    out = tmp_path / "m.tflite"
    run("export", name, out, "--data", data, *code(name, data))
    run("parity", name, out, "--data", data, *code(name, data))
    run("data", "inspect", data, "--model", name, *code(name, data))
    report = tmp_path / "a.json"
    words = ("--norm", "l0", "--epsilon", 1, "--images", 1, "--out", report)
    run("attack", name, data, *words, *code(name, data))
    assert len(json.loads(report.read_text())["sha256"]) == 64
    capsys.readouterr()


@pytest.mark.parametrize("command", ["certify", "verify", "attack", "corrupt", "export", "parity"])
def test_code_is_run_where_it_is_allowed_only(networks, tmp_path, capsys, command):
    more = {
        "certify": ("pictures.npz", "--out", tmp_path / "c.jsonl"),
        "verify": ("pictures.npz", "--family", "light:1", "--out", tmp_path / "c.jsonl"),
        "attack": ("pictures.npz", "--out", tmp_path / "a.json"),
        "corrupt": ("pictures.npz",),
        "export": (tmp_path / "m.tflite",),
        "parity": ("pictures_exported.tflite",),
    }[command]
    words = [str(word) for word in (command, "inputs_of_mine:network", *more)]
    assert cli.main(words) == 2
    assert "none is run unless --allow-code is given" in capsys.readouterr().err
    assert "inputs_of_mine" not in sys.modules
    words[1] = "inputs_of_mine:nothing"
    assert cli.main([*words, "--allow-code"]) == 2
    assert "returned no Keras model. Received: dict" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_has_no_place_for_its_file_says_so(networks, capsys):
    for words in (["--out", "/dev/null"], ["--print-plan"]):
        assert cli.main(["certify", "pictures.keras", "pictures.npz", *words]) == 2
        assert "is written beside --out" in capsys.readouterr().err
