"""What imports load: a device has no TensorFlow, and nobody waits for what was not asked."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("tensorflow", "keras", "qkeras", "scipy", "sklearn", "matplotlib")


@pytest.mark.ordinary(6)
@pytest.mark.parametrize(
    "module",
    [
        "qrobust",
        "qrobust.certify",
        "qrobust.cli",
        "qrobust.datasets",
        "qrobust.verify",
        "qrobust.commands.models",
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


@pytest.mark.parametrize(
    "package", ["qrobust", "qrobust.certify", "qrobust.training", "tflite_export"]
)
def test_no_lazy_name_is_a_modules(package):
    """Once imported, the module would stand in the name's place."""
    module = importlib.import_module(package)
    folder = Path(module.__file__).parent
    inside = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not inside & set(module._HOMES)


def test_public_names_are_listed():
    """For whoever types ``dir(qrobust)`` or presses a key for completion."""
    import qrobust

    assert {"quantize", "adopt", "certify", "layers", "verify", "__version__"} <= set(dir(qrobust))
    assert not [name for name in dir(qrobust) if name[0] == "_" and name != "__version__"]
    assert all(getattr(qrobust, name) is not None for name in dir(qrobust))
    assert dir(qrobust.certify) == sorted(qrobust.certify.__all__)
    assert {"Certifier", "audit", "ABSTAIN"} <= set(dir(qrobust.certify))
