"""The same certificates on emulated ARM64; skipped where that is not installed."""

import json
from pathlib import Path

import numpy as np
import pytest

from qrobust.certify import SmoothingSpec, attach_spec
from qrobust.certify.cli import main

TESTS = Path(__file__).resolve().parents[2]
FAST = ["--n0", "20", "--n", "200", "--threads", "1", "--quiet"]


@pytest.fixture
def arm64(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS))
    from ondevice.arm64 import Arm64
    from ondevice.cache import default_cache
    from ondevice.runtime import Unavailable

    if not any(default_cache().glob("arm64*")):
        pytest.skip("ARM64 is not installed: run tests/ondevice first")
    runtime = Arm64()
    try:
        runtime.install(default_cache())
    except Unavailable as error:
        pytest.skip(f"ARM64: {error}")
    yield runtime
    runtime.close()


def lines(path):
    return [{**json.loads(text), "seconds": 0} for text in path.read_text().splitlines()]


@pytest.mark.slow
def test_journals_agree_and_audit_each_other(arm64, classifier, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("m.tflite").write_bytes(
        attach_spec(classifier, SmoothingSpec.for_model(classifier, sigma=30))
    )
    np.savez("d.npz", x=data.x, y=data.y)
    assert main(["m.tflite", "d.npz", "--out", "here", *FAST]) == 0

    def there(*arguments):
        command = ["-m", "qrobust.certify", *arguments]
        done = arm64.python(command, pythonpath=[TESTS.parent], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    there("m.tflite", "d.npz", "--out", "there", *FAST)
    assert lines(tmp_path / "there") == lines(tmp_path / "here")
    assert "0 do not stand" in there("audit", "here", "m.tflite", "d.npz", "--quiet")
    assert main(["audit", "there", "m.tflite", "d.npz", "--quiet"]) == 0
