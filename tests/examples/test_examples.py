"""Every example runs, on small data, and says what its text promises."""

import runpy
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

# All of it trains: the ordinary run leaves it to the thorough one.
pytestmark = pytest.mark.thorough

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "examples"
DIGITS = PROJECT / "models" / "digits"
LONGEST = 60


def run(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    from qrobust.datasets import digits

    path = tmp_path_factory.mktemp("data") / "data.npz"
    test = digits().test
    np.savez(path, x=test.x[:40], y=test.y[:40])
    return path


def test_every_example_is_short_and_run_here():
    found = {path.name for path in EXAMPLES.glob("*.py")}
    text = Path(__file__).read_text()
    assert len(found) >= 8
    for name in found:
        assert f'"{name}"' in text, f"{name} is run by no test"
        assert len((EXAMPLES / name).read_text().splitlines()) < LONGEST
        assert f"python examples/{name}" in (EXAMPLES / name).read_text()


def test_certify_on_device(monkeypatch, capsys, tmp_path, digits):
    import json

    out = tmp_path / "d.jsonl"
    arguments = (DIGITS / "model.tflite", digits, "--samples", 200, "--out", out)
    run(monkeypatch, "certify_on_device.py", *arguments)
    shown = capsys.readouterr().out.splitlines()
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(shown) == len(lines) == 40
    assert {line["key_level"] for line in lines} == {"fresh"}
    assert len({line["key"] for line in lines}) == 40
    for said, line in zip(shown, lines, strict=True):
        assert ("act" in said) == (line["label"] >= 0 and line["radius"] >= 32)


def test_camera(monkeypatch, capsys, tmp_path, digits):
    image = pytest.importorskip("PIL.Image")
    for i, x in enumerate(np.load(digits)["x"][:3]):
        image.fromarray(x[..., 0]).resize((64, 48)).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").touch()
    run(monkeypatch, "camera.py", DIGITS / "model.tflite", "--folder", tmp_path, "--samples", 100)
    shown = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in shown] == ["0.png", "1.png", "2.png"]
    assert all("within" in line or "not sure" in line for line in shown)


def test_audio(monkeypatch, capsys, tmp_path):
    tone = (8000 * np.sin(np.arange(16000) / 16000 * 2 * np.pi * 440)).astype("<i2")
    with wave.open(str(tmp_path / "w.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(16000)
        file.writeframes(tone.tobytes())
    model = PROJECT / "models" / "kws_dscnn_w4a8" / "model.tflite"
    run(monkeypatch, "audio.py", model, tmp_path / "w.wav", "--samples", 100)
    (line,) = capsys.readouterr().out.splitlines()
    assert float(line.rsplit(" ", 1)[1]) > 0  # the hiss moved something


def test_proofs(monkeypatch, capsys, digits):
    run(monkeypatch, "proofs.py", DIGITS / "model.tflite", digits, "--images", 2, "--budget", 20)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 4 and "33 inferences" in shown[0]
    assert all(any(s in line for s in ("proven", "refuted", "unknown")) for line in shown)


def test_robust_layers(monkeypatch, capsys, tmp_path):
    out = tmp_path / "r.tflite"
    run(monkeypatch, "robust_layers.py", "--epochs", 2, "--out", out)
    assert capsys.readouterr().out.count("radius") == 5
    from qrobust.certify import read_spec

    assert read_spec(out.read_bytes()).sigma == 64


def test_qkeras_to_tflite(monkeypatch, capsys):
    run(monkeypatch, "qkeras_to_tflite.py", "--epochs", 1)
    shown = capsys.readouterr().out
    assert "0 differ" in shown and "adopted" in shown


def test_float_to_certified(monkeypatch, capsys, tmp_path, digits):
    start = DIGITS / "float" / "model.keras"
    run(monkeypatch, "float_to_certified.py", start, digits, tmp_path / "o", "--samples", 100)
    assert {p.name for p in (tmp_path / "o").iterdir()} == {
        "model.tflite", "certificates.jsonl", "report.html",
    }  # fmt: skip
    assert "20 images" in capsys.readouterr().out


def test_gpu_start(monkeypatch, capsys, tmp_path, digits):
    from qrobust import architectures

    start, out = tmp_path / "start.keras", tmp_path / "o.keras"
    architectures.digits_cnn(width=4).save(start)  # with batch norms, which are frozen at the end
    run(monkeypatch, "gpu_start.py", start, digits, out, "--epochs", 2, "--sigma", 32)
    assert "held-out pictures right at 4 bits" in capsys.readouterr().out
    import tflite_export
    from qrobust.load_keras import load_keras

    assert tflite_export.export(load_keras(out)).report.is_exact


def test_ensemble(monkeypatch, capsys, tmp_path, digits):
    from qrobust.datasets import digits as loaded

    train, out = loaded().train, tmp_path / "o.tflite"
    np.savez(tmp_path / "held.npz", x=train.x[:100], y=train.y[:100])
    with np.load(digits) as held:
        np.savez(tmp_path / "d.npz", x=held["x"][:5], y=held["y"][:5])
    members = (
        DIGITS / "model.keras",
        PROJECT / "models" / "digits_l1" / "gaussian64" / "model.keras",
    )
    words = ("--held-out", tmp_path / "held.npz", "--data", tmp_path / "d.npz", "--out", out)
    run(monkeypatch, "ensemble.py", *members, *words, "--samples", 100)
    weights, *lines = capsys.readouterr().out.splitlines()
    assert weights.startswith("weights ") and len(lines) == 3
    assert lines[-1].startswith("together: ") and "of 5 certified at 32 LSB" in lines[-1]
    from qrobust.certify import Certifier, read_spec

    assert read_spec(out.read_bytes()).sigma == 64
    with Certifier(out) as certifier:
        assert certifier.file.classes == 10
