"""Certificates by counting under attack in their own norm; a planted one fails the command."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from qrobust import cli
from qrobust.certify import SmoothingSpec, attach_spec, read_lines
from qrobust.certify.run.journal import Journal

_TINY = Path(__file__).parents[1] / "certify" / "tiny_models.py"
_SIZES = {"splits": (120, 2), "bands": (2, 0), "blocks": (2, 1), "ablation": (9, 0)}


def linear():
    spec = importlib.util.spec_from_file_location("tiny_models_of_attacks", _TINY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.linear


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder, make = tmp_path_factory.mktemp("counts"), linear()
    rng = np.random.default_rng(5)
    x = rng.integers(0, 256, (10, 4, 5, 1)).astype(np.uint8)
    np.savez(folder / "d.npz", x=x, y=np.arange(10) % 3)
    for kind, (size, threshold) in _SIZES.items():
        channels = 1 if kind == "splits" else 2
        weights = rng.integers(-4, 5, (3, 20 * channels))
        model = make(weights, bias=[40, 0, -30], shape=(4, 5, channels), output_shift=4)
        spec = SmoothingSpec.for_views(model, kind, size, threshold=threshold)
        (folder / f"{kind}.tflite").write_bytes(attach_spec(model, spec))
        words = ["certify", folder / f"{kind}.tflite", folder / "d.npz", "--quiet"]
        words += ["--out", folder / f"{kind}.jsonl"]
        assert cli.main([str(word) for word in words]) == 0
    return folder


def attack(work, kind, journal, out):
    words = ["attack", work / f"{kind}.tflite", work / "d.npz", "--certificates", journal]
    return cli.main([str(word) for word in [*words, "--out", out, "--trusted"]])


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("kind", _SIZES)
def test_certificates_withstand_and_the_control_falls(work, tmp_path, kind):
    assert attack(work, kind, work / f"{kind}.jsonl", tmp_path / "r.json") == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["attacked"] == 10 and report["defects"] == []
    assert report["fooled"] > 2, report


@pytest.mark.parametrize("kind", _SIZES)
def test_a_planted_radius_fails_the_command(work, tmp_path, capsys, kind):
    header, *lines = (line.value for line in read_lines(work / f"{kind}.jsonl"))
    grown = {"splits": 90, "bands": 4, "blocks": 4, "ablation": 9}[kind]
    with Journal(tmp_path / "bad", {k: v for k, v in header.items() if k != "chain"}) as journal:
        for line in lines:
            line = {k: v for k, v in line.items() if k != "chain"}
            if "closed" in line:
                journal.finish()
                continue
            line |= {"radius": str(grown), "radius_q16": grown << 16}
            if "radius_unit" in line:
                line["radius_unit"] = line["radius_unit"]
            journal.append(line)
    assert attack(work, kind, tmp_path / "bad", tmp_path / "r.json") == 1
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["defects"]
    for defect in report["defects"]:
        assert defect["label"] != defect["found"] and defect["distance"] <= defect["radius"]
    assert "defect: image" in capsys.readouterr().out


def test_another_file_is_refused(work, tmp_path, capsys):
    assert attack(work, "bands", work / "blocks.jsonl", tmp_path / "r.json") == 2
    assert "about another file" in capsys.readouterr().err


def test_files_of_two_c_channels_are_attacked_as_they_classify(work, tmp_path):
    words = ["attack", work / "bands.tflite", work / "d.npz", "--out", tmp_path / "r.json"]
    assert cli.main([str(w) for w in [*words, "--norm", "patch", "--epsilon", 2, "--trusted"]]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["norm"] == "patch" and report["attacks"][0]["mean_queries"] > 1
