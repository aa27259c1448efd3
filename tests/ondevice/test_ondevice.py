import os
from pathlib import Path

import numpy as np
import pytest

from .arm64 import Arm64
from .cache import default_cache
from .compare import compare_one
from .model_file import read_signature, with_fixed_batch
from .native import Native
from .runtime import Unavailable, Unsupported
from .targets import TARGETS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("QROBUST_ONDEVICE") != "1",
        reason="installs emulators and a browser; set QROBUST_ONDEVICE=1 to run it",
    ),
]
PROJECT = Path(__file__).resolve().parents[2]


def installed(runtime):
    try:
        runtime.install(default_cache())
    except Unavailable as error:
        pytest.skip(f"{runtime.name}: {error}")
    return runtime


@pytest.mark.parametrize("target", TARGETS)
def test_same_integers(target, make_model, pixels):
    model = make_model("uint8")
    runtime = installed(TARGETS[target]())
    expected = Native().run(model, pixels)
    assert len(np.unique(expected)) > 50  # a network that says something
    try:
        for _ in range(2):  # the second time without starting anything
            result = compare_one(runtime, model, pixels, expected, default_cache())
            assert result.status == "equal", result
            assert result.inputs == len(pixels)
    finally:
        runtime.close()


def test_int8_in_batches_on_arm64(make_model, pixels):
    model = make_model("int8")
    inputs = (pixels.astype(np.int16) - 128).astype(np.int8)
    runtime = installed(Arm64(batch=64))  # 200 inputs: the last group is smaller
    try:
        np.testing.assert_array_equal(runtime.run(model, inputs), Native().run(model, inputs))
    finally:
        runtime.close()


@pytest.mark.parametrize("target", ["node", "chromium"])
def test_int8_is_refused_in_wasm(target, make_model, pixels):
    runtime = installed(TARGETS[target]())
    with pytest.raises(Unsupported, match="input of int8.tflite is int8"):
        runtime.run(make_model("int8"), pixels.astype(np.int8))


@pytest.mark.parametrize("target", ["arm64", "node", "chromium"])
def test_a_broken_model_is_a_failure_and_the_next_one_runs(
    target, make_model, pixels, tmp_path, monkeypatch
):
    good, bad = make_model("uint8"), tmp_path / "bad.tflite"
    bad.write_bytes(b"no model" * 10)
    runtime = installed(TARGETS[target]())
    expected = Native().run(good, pixels[:5])
    try:
        with monkeypatch.context() as patched:
            # This process would refuse the file before the device sees it.
            if target != "arm64":
                module = f"{__package__}.{target}"
                patched.setattr(f"{module}.read_signature", lambda _: read_signature(good))
                patched.setattr(f"{module}.wasm_model", lambda *_: bad.read_bytes())
            result = compare_one(runtime, bad, pixels[:5], expected, default_cache())
        assert result.status == "failed", result
        np.testing.assert_array_equal(runtime.run(good, pixels[:5]), expected)
    finally:
        runtime.close()


def test_emulated_python_sees_its_own_packages_and_ours(tmp_path):
    runtime = installed(Arm64())
    script = (
        "import platform, subprocess, sys, numpy, qrobust.certify;"
        "print(platform.machine(), numpy.__file__, qrobust.__file__);"
        "print(subprocess.run([sys.executable, '-c', 'import platform; print(platform.machine())'],"
        " capture_output=True, text=True).stdout)"
    )
    done = runtime.python(["-c", script], pythonpath=[PROJECT], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split("\n")[:2]
    machine, numpy_file, ours = first.split()
    assert (machine, second) == ("aarch64", "aarch64")
    assert str(default_cache()) in numpy_file
    assert ours.startswith(str(PROJECT))


def test_fixed_batch_changes_nothing_else(make_model, pixels, tmp_path):
    model = make_model("uint8")
    fixed = tmp_path / "fixed.tflite"
    fixed.write_bytes(with_fixed_batch(model.read_bytes()))
    changed = np.frombuffer(fixed.read_bytes(), np.uint8) != np.frombuffer(
        model.read_bytes(), np.uint8
    )
    assert 0 < changed.sum() <= 4 * 20
    np.testing.assert_array_equal(Native().run(fixed, pixels[:8]), Native().run(model, pixels[:8]))
