"""``qrobust attack`` on a file and on a Keras model."""

import json

import numpy as np
import pytest
from attack_models import DIGITS, linear_model

from qrobust import cli
from qrobust.attacks import SmoothedTarget, fast_gradient
from qrobust.attacks.evaluation import suite
from qrobust.certify import read_lines
from qrobust.certify.run.journal import Journal


@pytest.fixture(autouse=True)
def short_worst_case(monkeypatch):
    monkeypatch.setattr("qrobust.attacks.evaluation.standard_worst_case.QUERIES", 50)
    monkeypatch.setattr("qrobust.attacks.evaluation.standard_worst_case.STEPS", 5)


@pytest.fixture
def data(tmp_path, digits):
    np.savez(tmp_path / "digits.npz", x=digits[0], y=digits[1])
    return tmp_path / "digits.npz"


def run(*arguments):
    return cli.main(["attack", *(str(argument) for argument in arguments)])


def test_a_file_is_attacked_and_reported(data, tmp_path, capsys):
    out = tmp_path / "report.json"
    model = DIGITS / "model.tflite"
    assert run(model, data, "--out", out, "--epsilon", 40, "--images", 12) == 0
    report = json.loads(out.read_text())
    assert report["images"] == 12 and report["norm"] == "linf" and report["masking"] is None
    assert report["worst_case_accuracy"] <= min(a["accuracy"] for a in report["attacks"])
    names = ["random", "Square", "SPSA", "HopSkipJump", "Square-50"]
    assert [a["name"] for a in report["attacks"]] == names
    standard = report["standard_worst_case"]
    assert (standard["images"], standard["gradients"]) == (12, False)
    assert report["worst_case_accuracy"] <= standard["left"] / 12
    curve = [point["accuracy"] for point in report["curve"]]
    assert curve == sorted(curve, reverse=True) and curve[0] == report["clean_accuracy"]
    at = next(p["accuracy"] for p in report["curve"] if p["epsilon"] == 40)
    assert at <= report["worst_case_accuracy"]
    markdown = out.with_suffix(".md").read_text()
    assert "HopSkipJump" in markdown and "report.curve.png" in markdown
    for png in ("report.curve.png", "report.pictures.png"):
        assert (tmp_path / png).read_bytes().startswith(b"\x89PNG")
    assert "worst" not in capsys.readouterr().err


@pytest.mark.thorough
def test_a_keras_model_gets_a_masking_report(tmp_path, weights, pixels, labels):
    np.savez(tmp_path / "x.npz", x=pixels[:20], y=labels[:20])
    linear_model(weights).save(tmp_path / "linear.keras")
    out = tmp_path / "report.json"
    arguments = ["--out", out, "--norm", "l2", "--epsilon", 60]
    assert run(tmp_path / "linear.keras", tmp_path / "x.npz", *arguments) == 0
    report = json.loads(out.read_text())
    assert len(report["masking"]) == 6 and report["masking_model"] == "linear.keras"
    names = [a["name"] for a in report["attacks"]]
    assert names[:7] == ["FGSM", "BIM", "MI-FGSM", "PGD", "SPSA", "CW-L2", "DeepFool"]
    # What the checks' own attacks found counts for the worst case and the curve.
    assert names[7:9] == ["random", "Square"]


@pytest.fixture
def certificates(data, tmp_path):
    path = tmp_path / "certificates.jsonl"
    words = ["certify", DIGITS / "model.tflite", data, "--out", path, "--n", 400, "--limit", 3]
    assert cli.main([str(word) for word in words]) == 0
    return path


def attack_certificates(data, certificates, out):
    files = ["--surrogate", DIGITS / "model.keras", "--certificates", certificates]
    return run(DIGITS / "model.tflite", data, *files, "--out", out, "--images", 3, "--epsilon", 8)


@pytest.mark.thorough
def test_honest_certificates_withstand_attacks(data, certificates, tmp_path):
    out = tmp_path / "report.json"
    assert attack_certificates(data, certificates, out) == 0
    report = json.loads(out.read_text())
    assert report["attacked_certificates"] > 0 and report["broken_certificates"] == []
    assert {"PGD", "MI-FGSM"} <= {a["name"].split()[0] for a in report["attacks"]}
    assert len(report["masking"]) == 6 and report["masking_model"] == "model.keras"
    assert "## Masked gradients of model.keras" in out.with_suffix(".md").read_text()


def test_a_false_certificate_is_printed_as_broken(data, certificates, tmp_path, capsys):
    """Its chain is whole: whoever wrote it lied from the start."""
    header, *lines = (line.value for line in read_lines(certificates))
    with Journal(tmp_path / "false.jsonl", header) as journal:
        for line in lines[:-1]:
            journal.append(line | {"radius_q16": 600 << 16})
    assert attack_certificates(data, tmp_path / "false.jsonl", tmp_path / "report.json") == 1
    assert "broken certificate: image" in capsys.readouterr().out


def test_certificates_of_other_data_are_refused(data, certificates, tmp_path, digits, capsys):
    np.savez(data, x=digits[0][1:], y=digits[1][1:])
    assert attack_certificates(data, certificates, tmp_path / "report.json") == 2
    assert "is about another file than" in capsys.readouterr().err


@pytest.mark.thorough
def test_the_default_epsilon_goes_with_the_norm(tmp_path, weights, pixels, labels, monkeypatch):
    np.savez(tmp_path / "x.npz", x=pixels[:2], y=labels[:2])
    linear_model(weights).save(tmp_path / "linear.keras")
    monkeypatch.setattr(suite, "white_box", lambda *_, **__: iter(()))
    for norm, epsilon in (("linf", 8), ("l2", 128)):
        out = tmp_path / f"{norm}.json"
        assert run(tmp_path / "linear.keras", tmp_path / "x.npz", "--out", out, "--norm", norm) == 0
        assert json.loads(out.read_text())["epsilon"] == epsilon


def test_certificates_are_read_before_the_attacks(
    data, certificates, tmp_path, monkeypatch, capsys
):
    def early(*_, **__):
        raise RuntimeError("attacked before the certificates were read")

    monkeypatch.setattr(suite, "black_box", early)
    certificates.write_text("")
    assert attack_certificates(data, certificates, tmp_path / "report.json") == 2
    assert "holds no finished line" in capsys.readouterr().err


def test_the_long_suite_looks_longer_for_masks(monkeypatch):
    seen = []
    monkeypatch.setattr(suite, "masking_checks", lambda *_, **options: seen.append(options))
    for full in (False, True):
        suite.masking_suite(None, None, None, None, full=full, seed=0)
    assert seen[1]["queries"] >= 5 * seen[0]["queries"] and seen[1]["steps"] > seen[0]["steps"]


@pytest.mark.thorough
def test_the_smoothed_classifier_is_attacked_through_its_noise(data, tmp_path, monkeypatch):
    seen = []

    def fgsm(target, x, y, budget, **_):
        seen.append(target)
        yield fast_gradient(target, x, y, budget)

    monkeypatch.setattr(suite, "white_box", fgsm)
    out = tmp_path / "report.json"
    words = ("--smooth", 40, "--draws", 3, "--images", 3, "--epsilon", 20)
    assert run(DIGITS / "model.keras", data, "--out", out, *words) == 0
    (target,) = seen
    assert isinstance(target, SmoothedTarget) and target.draws == 3
    report = json.loads(out.read_text())
    assert report["model"] == "model.keras smoothed with sigma 40"
    assert report["attacks"][0]["name"] == "FGSM"


def test_a_report_is_json(data, tmp_path, capsys):
    assert run(DIGITS / "model.tflite", data, "--out", tmp_path / "report.md") == 2
    assert "end its name in .json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{digits}/model.tflite", "{data}", "--epsilon", "0"], "at least 1"),
        (["{digits}/model.tflite", "{data}", "--images", "0"], "--images"),
        (["{digits}/model.tflite", "missing.npz"], "missing.npz"),
        (["{digits}/model.tflite", "{data}", "--smooth", "40"], "--smooth goes with a .keras"),
        (["{digits}/model.keras", "{data}", "--smooth", "0"], "sigma > 0"),
        (["missing.keras", "{data}"], "missing.keras"),
        (["missing.tflite", "{data}"], "missing.tflite"),
        (["{digits}/model.keras", "{data}", "--certificates", "c.jsonl"], "goes with a .tflite"),
        (["{digits}/model.tflite", "{data}", "--certificates", "c.jsonl"], "--surrogate"),
    ],
)
def test_bad_input_gets_one_line(arguments, says, data, tmp_path, capsys):
    words = [a.format(digits=DIGITS, data=data) for a in arguments]
    assert run(*words, "--out", tmp_path / "out.json") == 2
    assert says in capsys.readouterr().err.strip().splitlines()[-1]


def test_labels_are_needed(tmp_path, digits, capsys):
    np.savez(tmp_path / "x.npz", x=digits[0])
    assert run(DIGITS / "model.tflite", tmp_path / "x.npz", "--out", tmp_path / "o.json") == 2
    assert "holds no y" in capsys.readouterr().err
