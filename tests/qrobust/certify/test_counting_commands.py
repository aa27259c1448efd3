"""Counted views on the command line: certify, audit, report, inspect, attack."""

import json

import keras
import numpy as np
import pytest

from qrobust import cli, layers, quantize
from qrobust.certify import read_spec
from qrobust.certify.cli import main

from .counting_files import counting_file

QUIET = ["--quiet", "--threads", "1"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ("splits", "bands"):
        (tmp_path / f"{kind}.tflite").write_bytes(counting_file(kind))
    x = np.random.default_rng(4).integers(0, 256, (20, 4, 5, 1)).astype(np.uint8)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(20) % 3)
    return tmp_path


def certify(kind, *extra, out="c.jsonl"):
    return main([f"{kind}.tflite", "d.npz", "--out", out, *QUIET, *extra])


@pytest.mark.parametrize(
    ("kind", "radii", "unit"),
    [
        ("splits", ["0", "32", "64", "128", "255", "384", "510", "765", "1020"], "LSB"),
        ("bands", ["0", "1", "2", "3", "5", "8"], "pixels"),
    ],
)
def test_certify_follows_the_file_and_the_audit_stands(place, capsys, kind, radii, unit):
    assert certify(kind, "--json", "--tsv", "t.tsv") == 0
    summary = json.loads(capsys.readouterr().out)
    assert list(summary["certified_accuracy"]) == radii
    assert (summary["radius_unit"], summary["key"]) == (unit, "none")
    assert summary["joint"]["most_false"] == 0
    assert certify(kind) == 0
    assert f"Certain: votes of {kind} were counted" in capsys.readouterr().out
    assert main(["audit", "c.jsonl", "--offline"]) == 0
    assert main(["audit", "c.jsonl", f"{kind}.tflite", "d.npz", *QUIET]) == 0
    assert "nothing is left to chance" in capsys.readouterr().out
    assert main(["report", "c.jsonl", "--out", "r"]) == 0
    assert f"| radius ({unit}) | c |" in (place / "r" / "report.md").read_text()


@pytest.mark.parametrize("extra", [[], ["--radius", "2"]])
@pytest.mark.parametrize("kind", ["splits", "bands"])
def test_counted_views_refuse_a_deadline(place, capsys, kind, extra):
    assert certify(kind, "--deadline", "50", *extra) == 2
    assert f"error: {kind} count every view: a count that a deadline" in capsys.readouterr().err
    assert not (place / "c.jsonl").exists()


def test_a_wanted_radius_stops_early(place, capsys):
    (place / "many.tflite").write_bytes(counting_file("splits", size=400))
    assert certify("many", "--radius", "8", "--json") == 0
    short = json.loads(capsys.readouterr().out)
    assert list(short["certified_accuracy"]) == ["0", "8"]
    assert short["samples_run"] < 20 * 400
    assert main(["audit", "c.jsonl", "many.tflite", "d.npz", *QUIET]) == 0


@pytest.mark.ordinary(3)
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--n", "7"], "contradicts that"),
        (["--alpha", "0.01"], "cannot fail"),
        (["--method", "bands"], "contradicts that"),
        (["--seed", "1"], "nothing is drawn"),
        (["--sigma", "3"], "contradicts the file's smoothing spec, which counts splits"),
        (["--radius", "-1"], "whole radii"),
    ],
)
def test_what_contradicts_the_file_is_refused(place, capsys, extra, words):
    assert certify("splits", *extra) == 2
    assert words in capsys.readouterr().err
    assert not (place / "c.jsonl").exists()


def test_nothing_is_drawn_again_and_norms_do_not_mix(place, capsys):
    assert certify("splits") == certify("bands", out="b.jsonl") == 0
    independent = ["--independent", "numpy", *QUIET]
    assert main(["audit", "c.jsonl", "splits.tflite", "d.npz", *independent]) == 2
    assert "nothing is drawn" in capsys.readouterr().err
    assert main(["report", "c.jsonl", "b.jsonl", "--out", "r"]) == 2
    assert "runs in l1 and patch" in capsys.readouterr().err


def test_export_writes_a_spec_of_views(place, capsys):
    flat = [keras.layers.Flatten(), keras.layers.Dense(3)]
    scaled = [layers.SplitNoise(32), keras.layers.Rescaling(1 / 256), *flat]
    quantize(keras.Sequential([keras.Input((4, 4, 2)), *scaled])).save("m.keras")
    for options, kind, counting in (
        (["--splits", "32"], "splits", (32, 0)),
        (["--bands", "2", "--threshold", "5", "--unit", "pixel step"], "bands", (2, 5)),
        (["--blocks", "2"], "blocks", (2, 0)),
        (["--ablation", "7", "--threshold", "1"], "ablation", (7, 1)),
    ):
        assert cli.main(["export", "m.keras", "m.tflite", *options]) == 0
        spec = read_spec(place / "m.tflite")
        assert (spec.noise, spec.counting, spec.sigma) == (kind, counting, None)
    assert cli.main(["inspect", "m.tflite"]) == 0
    assert "ablation of size 7, least margin 1" in capsys.readouterr().out
    assert cli.main(["export", "m.keras", "m.tflite", "--threshold", "5"]) == 2
    assert "--threshold is the least margin" in capsys.readouterr().err
    assert cli.main(["export", "m.keras", "m.tflite", "--splits", "0"]) == 2
    assert cli.main(["export", "m.keras", "m.tflite", "--ablation", "17"]) == 2
    assert "has 1 to 16 subsets, not 17" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["export", "m.keras", "m.tflite", "--splits", "3", "--sigma", "3"])
    device = ["--splits", "32", "--c99", "firmware", "--family", "light:8"]
    assert cli.main(["export", "m.keras", "m.tflite", *device]) == 0
    assert "tables of the certifier: 52 bytes" in capsys.readouterr().out
    written = {path.name for path in (place / "firmware").iterdir()}
    assert {"qrobust_views.c", "qrobust_families.c", "proof_family.h", "model.c"} <= written
    for options, words in (
        (["--family", "light:8"], "give --c99 DIR"),
        (["--io", "uint8", *device], "takes int8 inputs"),
        (["--c99", "firmware", "--family", "gamma:.7..1.4"], "light and shift, not gamma"),
    ):
        assert cli.main(["export", "m.keras", "m.tflite", *options]) == 2
        assert words in capsys.readouterr().err
