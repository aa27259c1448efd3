"""The smallest run of each benchmark: it ends, and its rows can be rendered."""

import importlib
import os
import shutil
import sys

import pytest
import render
import results

DIGITS = results.PROJECT / "models" / "digits"
TWIN = [str(DIGITS / part) for part in ("model.tflite", "float/model.keras", "recipe.toml")]
BERNHARD = [
    f"{name}={results.PROJECT}/models/cifar10_bernhard/{name}/model.keras"
    for name in ("float", "w4a4")
]

RESNET = results.PROJECT / "models" / "cifar10_resnet8_w4a4"
STQ = ["--ours", str(RESNET / "model.keras"), "--ours-tflite", str(RESNET / "model.tflite")]

QUICK = {
    "float_twin": TWIN,
    "parity": [],
    "pixels": [],
    "counting": ["digits"],
    "families": [],
    "coverage": [],
    "first_moments": [],
    "foreign": [],
    "fuzzing": [],
    "journals": [],
    "kills": [],
    "packed": [],
    "plan": [],
    "post_training": [],
    "sandbox_cost": [],
    "web": [],
    "verifiers": [],
}
SLOW = {
    "patches_art": [],
    "roads": ["edge"],
    "evidence": [],
    "hostile": [],
    "export": [],
    "train_step": [],
    "quickstart": [],
    "attack_digits": [],
    "attacks": [],
    "certificates_rate": [],
    "sequential": [],
    "worst_case": [],
    "bernhard": BERNHARD,
    "bit_flips": [],
    "bits": [],
    "boundary": [],
    "denoised": [],
    "ensembles": [],
    "frontier": [],
    "people_use": [],
    "tfmot_baseline": [],
    "weight_distributions": [],
    "stq": STQ,
    "microcontroller": [],
}


def run(name, arguments, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    words = [*arguments, "--tiny", "--record", name]
    monkeypatch.setattr(sys, "argv", [f"benchmarks/{name}.py", *words])
    assert importlib.import_module(name).main() == 0
    found = results.read(name, tmp_path)
    assert found.counts or found.speeds
    assert found.changed_models() == []
    assert found.command.endswith(f"--tiny --record {name}")
    assert str(results.PROJECT) not in found.command
    assert found.command in render.block(name, tmp_path)


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("name", QUICK)
def test_a_quick_benchmark(name, tmp_path, monkeypatch):
    if name == "parity":
        pytest.importorskip("tflite_micro")
    if name == "web" and not all(map(shutil.which, ("clang", "wasm-ld", "chromium", "node"))):
        pytest.skip("clang, lld, Chromium or Node is not installed")
    run(name, QUICK[name], tmp_path, monkeypatch)


@pytest.mark.parametrize("radii", [[], ["--radii", "64", "0"]])
def test_a_sequential_twin_needs_radii_above_0(radii, monkeypatch):
    # The recipe's own begin with 0, too.
    monkeypatch.setattr(sys, "argv", ["float_twin.py", *TWIN, "--tiny", "--sequential", *radii])
    with pytest.raises(SystemExit, match="radii above 0: give --radii without 0"):
        importlib.import_module("float_twin").main()


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_benchmark(name, tmp_path, monkeypatch):
    arguments = list(SLOW[name])
    if name in ("attacks", "worst_case", "patches_art"):
        pytest.importorskip("art")
    if name == "stq" and "QROBUST_BASELINES" not in os.environ:
        pytest.skip("QROBUST_BASELINES names no folder of baselines")
    if name in ("bits", "evidence", "frontier", "people_use"):
        arguments += ["--state", str(tmp_path / "state")]
    if name in ("bernhard", "people_use", "stq", "tfmot_baseline"):
        folder = os.environ.get("QROBUST_DATA")
        if folder is None:
            pytest.skip("QROBUST_DATA names no folder of data sets")
        arguments += ["--data", folder]
    if name in ("boundary", "people_use"):
        # Their attacks take no settings: thousands of queries for one picture.
        suite = importlib.import_module("qrobust.attacks.evaluation.standard_worst_case")
        for constant, few in (("STEPS", 2), ("AIMS", 1), ("QUERIES", 10)):
            monkeypatch.setattr(suite, constant, few)
    if name == "microcontroller":
        if shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None:
            pytest.skip("arm-none-eabi-gcc and qemu-system-arm are not installed")
        arguments = ["--resnet8"]
    run(name, arguments, tmp_path, monkeypatch)
