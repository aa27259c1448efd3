"""The whole command with nothing but the base install: NumPy, LiteRT and what they need, tqdm."""

import json
import subprocess
import sys

import numpy as np

from qrobust.certify import SmoothingSpec, attach_spec

# Forbids every installed package that `pip install qrobust` does not bring.
SCRIPT = """
import sys
ALLOWED = {"qrobust", "tflite_export", "numpy", "ai_edge_litert", "flatbuffers", "tqdm",
           "typing_extensions", "google", "backports", "protobuf", "_distutils_hack"}
class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ALLOWED and not top.startswith("_"):
            raise ModuleNotFoundError(f"{name} is not part of the base install", name=name)
sys.meta_path.insert(0, Guard())
from qrobust.certify.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments, cwd):
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_certify_audit_and_report(classifier, data, tmp_path):
    file = attach_spec(classifier, SmoothingSpec.for_model(classifier, sigma=30))
    (tmp_path / "m.tflite").write_bytes(file)
    np.savez(tmp_path / "d.npz", x=data.x, y=data.y)
    done = run("m.tflite", "d.npz", "--out", "c.jsonl", "--n", "200", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 12
    done = run("audit", "c.jsonl", "m.tflite", "d.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("report", "c.jsonl", "--out", "r", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "r").glob("*.png"))  # no Matplotlib in the base install
