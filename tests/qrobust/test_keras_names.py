"""Saved networks load after ``import qrobust``, whichever of the two was imported first."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest
import qkeras  # noqa: F401

import qrobust.layers
import qrobust.quantizers  # noqa: F401
from qrobust.keras_names import NAMES, Waiting

MODEL = Path(__file__).parents[2] / "models" / "digits" / "model.keras"
LOAD = f"print(keras.models.load_model({str(MODEL)!r}).name)"


def fresh(code):
    """The last line that a new process prints."""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "imports",
    [
        "import qrobust, keras",
        "import keras, qrobust",
        "import qrobust, qkeras, keras",
        "import qrobust.layers, keras",
    ],
)
def test_a_saved_network_loads(imports):
    assert fresh(f"{imports}; {LOAD}") == "digits_cnn"


def test_nothing_is_loaded_before_a_file_asks():
    """Keras alone stays what it is: neither QKeras nor a layer of ours."""
    code = """
import sys, qrobust
before = [m for m in ("keras", "tensorflow", "qkeras") if m in sys.modules]
import importlib.resources, keras
after = [m for m in ("qkeras", "qrobust.layers", "qrobust.quantizers") if m in sys.modules]
watching = [f for f in sys.meta_path if type(f).__name__ == "_KerasFinder"]
print(before, after, watching, importlib.resources.files("keras").is_dir())
"""
    assert fresh(code) == "[] [] [] True"


def test_without_keras_nothing_changes():
    code = """
import sys
sys.modules["keras.none"] = None
import qrobust
sys.path[:] = [p for p in sys.path if "site-packages" not in p]
for _ in range(2):
    try:
        import keras
        print("keras?")
    except ModuleNotFoundError as error:
        print(error)
"""
    assert fresh(code) == "No module named 'keras'"


def test_every_registered_class_has_a_name():
    found = keras.saving.get_custom_objects()
    classes = {
        name
        for name, value in found.items()
        if name.startswith(("qrobust>", "qkeras>")) and isinstance(value, type)
    }
    assert set(NAMES) == classes
    assert not any(isinstance(value, Waiting) for value in found.values())


def test_a_class_that_is_gone_is_named():
    with pytest.raises(ValueError, match="'qrobust>Gone'"):
        Waiting("qrobust>Gone").from_config({})
