import json
import subprocess
import sys

import numpy as np
import pytest

from qrobust.certify import SmoothingSpec, attach_spec
from qrobust.certify.cli import main

from .tiny_models import linear


@pytest.fixture
def place(tmp_path, monkeypatch, classifier, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tflite").write_bytes(
        attach_spec(classifier, SmoothingSpec.for_model(classifier, sigma=30))
    )
    (tmp_path / "bare.tflite").write_bytes(classifier)
    np.savez(tmp_path / "d.npz", x=data.x, y=data.y)
    return tmp_path


FAST = ["--n0", "20", "--n", "200", "--quiet", "--threads", "1"]


def certify(*extra, model="m.tflite", data="d.npz", out="c.jsonl"):
    return main([model, data, "--out", out, *FAST, *extra])


def test_certify_then_audit(place, capsys):
    assert certify() == 0
    assert "12 images" in capsys.readouterr().out
    assert main(["audit", "c.jsonl", "m.tflite", "d.npz", "--quiet"]) == 0
    assert "12 certificates, 0 do not stand" in capsys.readouterr().out
    header, first, *rest = (place / "c.jsonl").read_text().splitlines(keepends=True)
    first = first.replace('"n0":20', '"n0":21', 1)
    (place / "c.jsonl").write_text("".join([header, first, *rest]))
    assert main(["audit", "c.jsonl", "m.tflite", "d.npz", "--quiet"]) == 1
    assert "line 2, image 0: its chain" in capsys.readouterr().out


def test_json_summaries(place, capsys):
    assert certify("--json", "--limit", "5", "--start", "2") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["images"], summary["samples_run"]) == (5, 5 * 220)
    assert set(summary["certified_accuracy"]) == {"0", "15", "30", "45", "60", "90"}
    assert main(["audit", "c.jsonl", "m.tflite", "d.npz", "--quiet", "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert (verdict["certificates"], verdict["planned"], verdict["failed"]) == (5, 5, [])
    assert (verdict["key"], verdict["stands"], verdict["closed"]) == ("derived", True, True)


def test_a_longer_run_is_another_plan(place, capsys):
    assert certify("--limit", "3") == 0
    assert certify("--json") == 2
    assert "is a journal with indices=[[0, 3]], this run has [[0, 12]]" in capsys.readouterr().err


def test_workers_give_the_same_certificates(place):
    assert certify() == 0
    assert certify("--workers", "2", out="w.jsonl") == 0
    a, b = (
        [{**json.loads(t), "seconds": 0} for t in (place / n).read_text().splitlines()]
        for n in ("c.jsonl", "w.jsonl")
    )
    assert a == b


def test_module_prints_progress_to_stderr(place):
    command = [sys.executable, "-m", "qrobust.certify", "bare.tflite", "d.npz"]
    command += ["--out", "c.jsonl", "--sigma", "30", "--n", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "certified" in done.stdout
    assert "error" not in done.stderr


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    ("extra", "method"),
    [
        (["--radius", "12.75"], "sequential_early"),
        (["--gain", "0.1"], "anytime"),
        (["--deadline", "30"], "confidence_sequence"),
        (["--deadline", "30", "--radius", "12.75"], "sequential_early"),
        (["--method", "two_class"], "two_class"),
        (["--method", "randomized_clopper_pearson"], "randomized_clopper_pearson"),
    ],
)
def test_methods_certify_and_audit(place, capsys, extra, method):
    assert certify(*extra) == 0
    header, first = map(json.loads, (place / "c.jsonl").read_text().splitlines()[:2])
    assert header["plan"]["method"] == first["settings"]["method"] == method
    assert main(["audit", "c.jsonl", "m.tflite", "d.npz", "--quiet"]) == 0
    assert "12 certificates, 0 do not stand" in capsys.readouterr().out


def test_methods_that_take_no_deadline_say_so_in_one_line(place, capsys):
    assert certify("--deadline", "30", "--method", "anytime") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: anytime may not stop at a deadline: its bound holds at")
    assert error.count("\n") == 1


@pytest.mark.parametrize("deadline", ["0", "-1", "86400001", "9" * 30])
def test_deadlines_that_are_none(place, capsys, deadline):
    assert certify(f"--deadline={deadline}") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the deadline (ms) must be in [1, 86400000], received")
    assert error.count("\n") == 1 and not (place / "c.jsonl").exists()


def test_a_deadline_by_workers_is_audited_in_part(place, capsys):
    assert certify("--deadline", "20", "--workers", "2") == 0
    words = ["audit", "c.jsonl", "m.tflite", "d.npz", "--quiet"]
    assert main([*words, "--sample", "3"]) == 0
    assert main([*words, "--fresh-seed", "77", "--fresh-n", "500"]) == 0
    assert main(["audit", "c.jsonl", "--offline"]) == 0
    capsys.readouterr()


def test_tsv(place):
    assert certify("--tsv", "t.tsv") == 0
    lines = (place / "t.tsv").read_text().splitlines()
    assert len(lines) == 13
    assert lines[0].split("\t") == ["idx", "label", "predict", "radius", "correct", "time"]


def test_report(place, capsys):
    assert certify() == 0
    assert certify("--radius", "5", out="s.jsonl") == 0
    assert main(["report", "fixed=c.jsonl", "s.jsonl", "--out", "r", "--radii", "0", "5"]) == 0
    assert "certified_accuracy.csv" in capsys.readouterr().out
    assert "| radius (LSB) | fixed | s |" in (place / "r" / "report.md").read_text()
    assert main(["report", "none.jsonl", "--out", "r"]) == 2


def test_a_model_that_never_changes_its_answer(place, capsys):
    (place / "k.tflite").write_bytes(linear(np.zeros((3, 20)), [0, 5, 0], shape=(5, 4, 1)))
    x = np.zeros((20, 5, 4, 1), np.uint8)
    np.savez(place / "many.npz", x=x, y=np.arange(20) % 3)
    np.savez(place / "same.npz", x=x, y=np.ones(20, int))
    options = ["--sigma", "3"]
    assert certify(*options, model="k.tflite", data="many.npz") == 2
    assert "answers class 1 for all 20 inputs" in capsys.readouterr().err
    assert not (place / "c.jsonl").exists()
    assert certify(*options, "--allow-constant", model="k.tflite", data="many.npz") == 0
    assert certify(*options, model="k.tflite", data="same.npz", out="s.jsonl") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "bare.tflite"}, "no smoothing spec"),
        ({"model": "none.tflite"}, "cannot read the model"),
        ({"model": "d.npz"}, "not a .tflite file"),
        ({"data": "none.npz"}, "cannot read the data"),
        ({"data": "m.tflite"}, "no readable .npz"),
        ({"out": "none/c.jsonl"}, "cannot write the journal"),
        ({"out": "d.npz"}, "no journal of certificates"),
    ],
    ids=str,
)
def test_bad_files(place, capsys, arguments, message):
    before = {path: path.read_bytes() for path in place.iterdir()}
    assert certify(**arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.ordinary(8)
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--sigma", "29"], "contradicts the file's smoothing spec"),
        (["--sigma", "-1"], "sigma must be positive"),
        (["--sigma", "much"], "sigma must be a finite number"),
        (["--n", "9"], "use n >= 10"),
        (["--alpha", "2"], "alpha must lie"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--start", "12"], "--start must lie"),
        (["--limit", "0"], "--limit must be"),
        (["--seed", "-1"], "seed must be in"),
        (["--batch", "0"], "batch_size must be"),
        (["--threads", "-1"], "threads must be"),
        (["--radius", "181"], "more than 6 sigma"),
        (["--radius", "90"], "use n >="),
        (["--radius", "5", "--gain", "0.1"], "only anytime takes a gain"),
        (["--noise", "salt"], "noise=salt contradicts"),
    ],
    ids=str,
)
def test_bad_options(place, capsys, extra, message):
    assert certify(*extra) == 2
    assert message in capsys.readouterr().err
    assert not (place / "c.jsonl").exists()


def test_a_journal_of_another_run(place, capsys):
    assert certify() == 0
    before = (place / "c.jsonl").read_bytes()
    assert certify("--seed", "4") == 2
    assert "is a journal with level='derived', this run has 'chosen'" in capsys.readouterr().err
    assert (place / "c.jsonl").read_bytes() == before


def test_a_float_model(place, capsys):
    (place / "f.tflite").write_bytes(linear(np.eye(3, 20), shape=(5, 4, 1), dtype="float32"))
    assert certify("--sigma", "3", model="f.tflite") == 2
    assert "is float32; only int8 and uint8 files" in capsys.readouterr().err


def test_interrupted(place, capsys, monkeypatch):
    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("qrobust.certify.commands.certify.certify_dataset", interrupt)
    assert certify() == 130
    assert "run the same command again" in capsys.readouterr().err
