"""Folders, tables, arrays and single files give the same inputs in a known order."""

import wave
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from qrobust.audio import fit_clip, mfcc, quantize_features
from qrobust.certify import CertifyError
from qrobust.certify.inputs import Expected, load_inputs

SHAPE = (4, 4, 1)
X = np.random.default_rng(1).integers(0, 256, (6, *SHAPE)).astype(np.uint8)


def pictures(folder, which, names=None):
    folder.mkdir(parents=True, exist_ok=True)
    for i, number in enumerate(which):
        name = f"{i}.png" if names is None else names[i]
        Image.fromarray(X[number, ..., 0]).save(folder / name)


def load(path, **expected):
    return load_inputs(path, lambda: Expected(SHAPE, **expected))


def test_arrays_do_not_ask_what_the_network_expects(tmp_path):
    def never():
        raise AssertionError

    np.savez(tmp_path / "a.npz", x=X, y=np.arange(6))
    np.save(tmp_path / "a.npy", X)
    assert np.array_equal(load_inputs(tmp_path / "a.npz", never).y, np.arange(6))
    alone = load_inputs(tmp_path / "a.npy", never)
    assert alone.y is None and np.array_equal(alone.x, X)


def test_one_picture_and_a_folder_of_pictures(tmp_path):
    pictures(tmp_path / "p", [2, 0, 1])
    (tmp_path / "p" / "notes.txt").write_text("not an input")
    found = load(tmp_path / "p")
    assert found.y is None and np.array_equal(found.x, X[[2, 0, 1]])
    assert np.array_equal(load(tmp_path / "p" / "1.png").x, X[[0]])


def test_folders_of_classes_in_the_order_of_their_names(tmp_path, capsys):
    pictures(tmp_path / "dog", [0, 1])
    pictures(tmp_path / "cat", [2])
    pictures(tmp_path / ".hidden", [3])
    found = load(tmp_path)
    assert found.y.tolist() == [0, 1, 1] and np.array_equal(found.x, X[[2, 0, 1]])
    assert "0 = cat, 1 = dog" in capsys.readouterr().err


def test_the_networks_names_decide_and_not_the_alphabet(tmp_path, capsys):
    pictures(tmp_path / "dog", [0])
    pictures(tmp_path / "cat", [1])
    found = load(tmp_path, labels=("dog", "bird", "cat"))
    assert found.y.tolist() == [2, 0] and "order" not in capsys.readouterr().err
    with pytest.raises(CertifyError, match="class 'cat', the network has dog, bird"):
        load(tmp_path, labels=("dog", "bird"))


@pytest.mark.parametrize(("names", "told"), [(("2", "10"), True), (("02", "10"), False)])
def test_numbers_that_keras_would_count_otherwise_are_told(tmp_path, capsys, names, told):
    for name in names:
        pictures(tmp_path / name, [0])
    assert sorted(load(tmp_path).y.tolist()) == [2, 10]
    assert ("counts 10, 2, ..." in capsys.readouterr().err) == told


def test_numbers_are_class_numbers(tmp_path):
    pictures(tmp_path / "10", [0])
    pictures(tmp_path / "2", [1])
    for labels in (None, tuple("abcdefghijk")):
        assert load(tmp_path, labels=labels).y.tolist() == [10, 2]


@pytest.mark.parametrize(("ending", "comma"), [(".csv", ","), (".tsv", "\t")])
def test_tables(tmp_path, ending, comma):
    pictures(tmp_path / "p", [0, 1, 2])
    rows = [["label", "path"], ["b", "p/2.png"], ["a", "p/0.png"]]
    path = tmp_path / f"t{ending}"
    path.write_text("\n".join(comma.join(row) for row in rows))
    found = load(path)
    assert found.y.tolist() == [1, 0] and np.array_equal(found.x, X[[2, 0]])
    path.write_text("path\np/1.png\n")
    assert load(path).y is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column path or file"),
        ("a,b\n1,2\n", "column path or file"),
        ("path,label\np/0.png\n", "line 2: not as many cells"),
        ("path,label\np/0.png,a,b\n", "line 2: not as many cells"),
        ("path,label\np/9.png,a\n", "no readable picture"),
        ('path,label\n"p/0.png,a\n', "is no table"),
    ],
)
def test_tables_that_cannot_be_meant(tmp_path, text, message):
    pictures(tmp_path / "p", [0])
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CertifyError, match=message):
        load(tmp_path / "t.csv")


def test_folders_that_could_mean_two_things_or_nothing(tmp_path):
    with pytest.raises(CertifyError, match="holds no pictures"):
        load(tmp_path)
    pictures(tmp_path / "deep" / "train" / "cat", [0])
    with pytest.raises(CertifyError, match="its folder train holds folders of them: give that one"):
        load(tmp_path / "deep")
    pictures(tmp_path, [0])
    pictures(tmp_path / "cat", [1])
    with pytest.raises(CertifyError, match="are the folders classes or not"):
        load(tmp_path)


def test_sizes_that_were_changed_are_counted_and_said(tmp_path, capsys):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    pictures(tmp_path, [0], ["b.png"])
    load(tmp_path)
    assert "1 of 2 inputs cut to their centre and resized to 4 x 4" in capsys.readouterr().err
    with pytest.raises(CertifyError, match="8 x 8 pixels"):
        load(tmp_path, fit="exact")


def test_sounds_become_the_keyword_tasks_features(tmp_path, capsys):
    samples = np.random.default_rng(5).integers(-9000, 9000, 12_000).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    shape = (49, 10, 1)
    found = load_inputs(tmp_path, lambda: Expected(shape, -128, 127))
    wanted = quantize_features(mfcc(fit_clip(samples)))
    assert found.x.dtype == np.int8
    assert np.array_equal(found.x.reshape(49, 10), wanted.reshape(49, 10))
    assert "steps of 0.5" in capsys.readouterr().err
    with pytest.raises(CertifyError, match="is a sound of"):
        load_inputs(tmp_path, lambda: Expected((49, 12, 1), -128, 127))
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    with pytest.raises(CertifyError, match="b.wav"):
        load_inputs(tmp_path, lambda: Expected(shape, -128, 127))


@pytest.mark.parametrize(
    ("scale", "unit", "step"),
    [
        (1.0, None, 0.5),
        (1.0, "feature step (quantized MFCC, 2^-3 each)", 0.125),
        (0.25, None, 0.25),
    ],
)
def test_sounds_are_read_in_the_steps_of_the_network(tmp_path, capsys, scale, unit, step):
    samples = np.random.default_rng(5).integers(-9000, 9000, 16_000).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    known = Expected((49, 10, 1), -128, 127, scale=scale, unit=unit)
    wanted = quantize_features(mfcc(samples), int(np.log2(step)))
    assert np.array_equal(load_inputs(tmp_path, lambda: known).x.reshape(49, 10), wanted[..., 0])
    assert f"steps of {step:g}" in capsys.readouterr().err
    with pytest.raises(CertifyError, match="a step of 0.3"):
        load_inputs(tmp_path, lambda: replace(known, scale=0.3))


def test_arrays_that_are_none(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(CertifyError, match="no readable .npy"):
        load(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(CertifyError, match="no readable .npy"):
        load(tmp_path / "b.npy")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|V0', 'fortran_order': False, 'shape': (999999999999999, 8, 8, 1)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 99999999999999999999, 8, 1)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (True, 8, 8, 1)}",
        "{[]: '|u1'}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 8, 8, 1)",
        " {'descr'\n   : '",
    ],
)
def test_a_header_that_cannot_be_true_is_refused(tmp_path, header):
    path = tmp_path / "x.npy"
    text = header.encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(CertifyError, match=r"no readable \.npy file"):
        load_inputs(path, lambda: Expected(SHAPE))
