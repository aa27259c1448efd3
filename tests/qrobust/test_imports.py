"""What imports load: a device has no TensorFlow, and nobody waits for what was not asked."""

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "qkeras", "scipy", "sklearn", "matplotlib")


@pytest.mark.parametrize(
    "module",
    [
        "qrobust",
        "qrobust.certify",
        "qrobust.cli",
        "qrobust.datasets",
        "qrobust.verify",
        "qrobust.commands.verify",
        "tflite_export",
        "tflite_export.grid",
        "tflite_export.reference",
        "tflite_export.flatbuffer",
    ],
)
def test_a_light_import_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


def test_public_names_load_when_used():
    import qrobust
    import tflite_export

    assert callable(qrobust.quantize)
    assert callable(tflite_export.export)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = qrobust.nothing
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tflite_export.nothing
