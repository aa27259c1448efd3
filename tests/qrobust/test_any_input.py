"""Data of every kind, networks of every kind, on every command: the same answers as their arrays.

What a command makes of arrays is tested with the command; here every other kind of data has to give
what its arrays give, and every kind of network what its ``.tflite`` gives.
"""

import json
import sys
import wave

import numpy as np
import pytest
from PIL import Image

from qrobust import cli
from qrobust.audio import fit_clip, mfcc, quantize_features
from qrobust.certify import SmoothingSpec, attach_spec
from tests.qrobust.certify.tiny_models import linear

RNG = np.random.default_rng(7)
PICTURES = RNG.integers(60, 200, (4, 5, 4, 1)).astype(np.uint8)
CLIPS = RNG.integers(-9000, 9000, (4, 15_000)).astype("<i2")
CLASSES = [0, 1, 0, 1]
NAMES = ("cat", "dog")
# In the order of folders of classes: cat before dog.
SORTED = [0, 2, 1, 3]

CODE = """
import numpy as np
def pictures():
    with np.load("pictures.npz") as held:
        return held["x"], held["y"]
def network():
    import keras
    return keras.models.load_model("pictures.keras")
def nothing():
    return {}
"""


def write_all(place, name, ending, write):
    """A single file, a folder, a folder of classes and a table of one kind of input."""
    for number, label in enumerate(CLASSES):
        for folder in (place / name, place / f"{name}_classes" / NAMES[label]):
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / f"{number}{ending}", number)
    rows = [f"{name}/{i}{ending},{NAMES[label]}" for i, label in enumerate(CLASSES)]
    (place / f"{name}.csv").write_text("\n".join(["path,label", *rows]))


def write_clip(path, number):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(CLIPS[number].tobytes())


def with_spec(model):
    return attach_spec(model, SmoothingSpec.for_model(model, sigma=8, labels=NAMES))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("inputs")
    write_all(
        place,
        "pictures",
        ".png",
        lambda path, number: Image.fromarray(PICTURES[number, ..., 0]).save(path),
    )
    write_all(place, "sounds", ".wav", write_clip)
    np.savez(place / "pictures.npz", x=PICTURES, y=CLASSES)
    np.save(place / "pictures.npy", PICTURES)
    (place / "inputs_of_mine.py").write_text(CODE)
    weights = RNG.integers(-3, 4, (2, 20))
    model = linear(weights - weights.mean(axis=0).round().astype(int), shape=(5, 4, 1))
    (place / "pictures.tflite").write_bytes(with_spec(model))
    weights = RNG.integers(-3, 4, (2, 490))
    model = linear(weights, shape=(49, 10, 1), zero_point=0, scale=0.5, output_shift=3)
    (place / "sounds.tflite").write_bytes(with_spec(model))
    return place


@pytest.fixture(autouse=True)
def inside(place, tmp_path, monkeypatch):
    """Every test reads in one folder and writes into one of its own, which it calls ``out``."""
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    yield
    sys.modules.pop("inputs_of_mine", None)


def features():
    clips = np.stack([fit_clip(clip) for clip in CLIPS])
    return quantize_features(mfcc(clips)).reshape(-1, 49, 10, 1)


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
FAMILY = {"pictures": "light:2", "sounds": "gain:1"}


def arrays(kind):
    """What the data of a kind are, written down once more."""
    network, order, labelled = KINDS[kind]
    x = PICTURES if network == "pictures" else features()
    return x[order], np.array(CLASSES)[order] if labelled else None


def run(*words):
    assert cli.main([str(word) for word in words]) == 0


def journal(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "chain")} for line in lines]


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    """A kind of data, and its arrays as ``out/arrays.npz``."""
    x, y = arrays(request.param)
    np.savez(tmp_path / "arrays.npz", x=x, **({} if y is None else {"y": y}))
    return request.param


def both(kind, tmp_path):
    """The data, with what they need on the command line, and the arrays that they are."""
    yield [kind, *(["--allow-code"] if ":" in kind else [])], tmp_path / "given"
    yield [tmp_path / "arrays.npz"], tmp_path / "arrays"


def test_certify_audit_and_report(kind, tmp_path, capsys):
    model, found = f"{KINDS[kind][0]}.tflite", []
    for data, out in both(kind, tmp_path):
        path = out.with_suffix(".jsonl")
        certify = ("--out", path, "--n", 60, "--n0", 10, "--quiet", "--trusted")
        run("certify", model, *data, *certify)
        found.append(journal(path))
    assert len(found[0]) == len(KINDS[kind][1]) + 2 and found[0] == found[1]
    data = next(both(kind, tmp_path))[0]
    given = tmp_path / "given.jsonl"
    run("audit", given, model, *data, "--quiet")
    if kind in ("pictures_classes", "sounds.csv"):  # the page is drawn of arrays: two will do
        words = ("--model", model, "--data", *data, "--images", 0)
        run("report", given, "--out", tmp_path / "report", *words)
    capsys.readouterr()


def test_verify(kind, tmp_path, capsys):
    network, found = KINDS[kind][0], []
    for data, out in both(kind, tmp_path):
        words = ("--family", FAMILY[network], "--quiet", "--out", out.with_suffix(".jsonl"))
        run("verify", f"{network}.tflite", *data, *words)
        found.append(journal(out.with_suffix(".jsonl")))
    assert len(found[0]) == len(KINDS[kind][1]) + 1 and found[0] == found[1]
    capsys.readouterr()


def test_attack(kind, tmp_path, capsys):
    network, order, labelled = KINDS[kind]
    # A name of the file's classes where the data have none.
    label = [] if labelled else ["--label", NAMES[CLASSES[order[0]]]]
    found = []
    for data, out in both(kind, tmp_path):
        words = ("--norm", "l0", "--epsilon", 1, "--images", 1, "--trusted")
        run("attack", f"{network}.tflite", *data, "--out", out.with_suffix(".json"), *words, *label)
        found.append(json.loads(out.with_suffix(".json").read_text()))
    assert found[0] == found[1] and found[0]["attacks"]
    if not labelled:
        data = next(both(kind, tmp_path))[0]
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
    some = ("--kinds", "contrast") if network == "pictures" else ("--kinds", "noise")
    found = []
    for data, words in ((next(both(kind, tmp_path))[0], label), ([tmp_path / "arrays.npz"], [])):
        run("corrupt", f"{network}.tflite", *data, *words, *some, "--json", "--trusted")
        found.append(json.loads(capsys.readouterr().out))
    del found[0]["data_sha256"], found[1]["data_sha256"]
    assert found[0] == found[1] and found[0]["images"] == len(order)


def test_data_inspect_and_convert(kind, tmp_path, capsys):
    data = next(both(kind, tmp_path))[0]
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


# --- networks -----------------------------------------------------------------------------------


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


NETWORKS = {
    "pictures.keras": ("pictures_classes", "pictures_exported.tflite"),
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


def test_corruptions_of_networks(network, tmp_path, capsys):
    name, data, tflite = network
    found = []
    for model in (name, tflite):
        run("corrupt", model, data, "--json", *code(model, data))
        found.append(json.loads(capsys.readouterr().out))
    assert found[0].pop("model") == name and found[1].pop("model") == tflite
    assert found[0] == found[1]


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
    for words in (["--out", "/dev/stdout"], ["--print-plan"]):
        assert cli.main(["certify", "pictures.keras", "pictures.npz", *words]) == 2
        assert "is written beside --out" in capsys.readouterr().err


def test_labels_that_nobody_knows(place, tmp_path, capsys):
    words = ["corrupt", "pictures.tflite", "pictures.npy", "--label"]
    assert cli.main([*words, "owl"]) == 2
    assert "knows cat, dog" in capsys.readouterr().err
    assert cli.main(["corrupt", "pictures.tflite", "pictures.npz", "--label", "cat"]) == 2
    assert "holds classes: leave out --label" in capsys.readouterr().err
